"""Import paths of SGLang 0.5.23, answered by the simulator."""
