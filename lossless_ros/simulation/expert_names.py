"""Names of the simulator's experts for help and messages, which do without the simulator."""

EXPERTS = "scripted, lenient, reactive, random or specialist:PATH"
