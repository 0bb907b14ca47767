"""Names of the simulator's experts for help texts, which must not import the simulator."""

EXPERTS = "scripted, lenient, reactive, random or specialist:PATH"
