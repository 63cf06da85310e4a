"""Simulators of vLLM, SGLang and llama-server, started by the engines' own command lines.

They parse the real flags of one release, load for as long as the weights would take, and speak that
engine's protocol. No model runs in them: answers are made up, short, and equal for equal requests.
"""
