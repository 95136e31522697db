"""When answers may leave: thresholds that keep a promise, and how risk goes with coverage."""
