"""Real engines in the tests: their environment, a model small enough for them, their programs."""
