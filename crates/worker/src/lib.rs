//! The HTTP server over the engine: OpenAI endpoints, model download, admission and drain.
