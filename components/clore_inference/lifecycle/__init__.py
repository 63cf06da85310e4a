"""What each resource does, as plain functions of a session and properties.

Adapters (Pulumi's dynamic providers today, a component plugin later) call these and add nothing.
Properties are what Pulumi can carry: text, booleans, lists and maps of them. Money, ids and times
travel as text, because numbers arrive as floats.
"""
