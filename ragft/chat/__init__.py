"""OpenAI's chat protocol: what a chat asks, the form of a reply, and a server that speaks it."""
