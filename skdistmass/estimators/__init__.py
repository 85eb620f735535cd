"""The estimators, each with the interface of scikit-learn."""
