import { defineConfig, type Plugin } from "vite";

/** onnxruntime gets its WebAssembly from the page: there is no file to look for, and no module that could know its address. */
const withoutAddresses = (): Plugin => ({
  name: "without-addresses",
  enforce: "pre",
  transform(code, id) {
    if (!id.includes("ort.wasm.bundle")) return null;
    const wasm = /new URL\("ort-wasm-simd-threaded\.wasm",import\.meta\.url\)\.href/g;
    return { code: code.replace(wasm, '""').replaceAll("import.meta.url", '""'), map: null };
  },
});

// One classic script with its worker in it: a page that is opened from a folder can load no modules.
export default defineConfig({
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    reportCompressedSize: false,
    lib: { entry: "src/main.ts", formats: ["iife"], name: "page", fileName: () => "page.js", cssFileName: "page" },
  },
  worker: { format: "iife", plugins: () => [withoutAddresses()] },
});
