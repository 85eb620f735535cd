"""What a catalogue holds: its columns, bits and limits, each defined once."""
