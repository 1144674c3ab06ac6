"""Tiny random models of every architecture, made from configs.

Weights are drawn wide (0.3 instead of 0.02) and biases are not zero: in a narrow random model every input gets nearly
the same answer and every generator repeats one token, so a comparison would prove nothing.
"""
