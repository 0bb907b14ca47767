"""The one door to the simulator (`lossless_sim`): environments, episodes, collection of demonstrations."""
