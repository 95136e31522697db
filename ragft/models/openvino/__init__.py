"""Answers that OpenVINO computes on the CPU, in this process."""
