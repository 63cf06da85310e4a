"""The stand-in for the plugin `command`: resources, their inputs, and how commands run."""
