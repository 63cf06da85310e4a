"""The commands of `clore-inference`: thin, they say what a room below them found."""
