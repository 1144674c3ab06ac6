"""What tests of several folders share: real servers on free ports, and waits with deadlines."""
