"""One file a resource. A resource parses, calls and answers; errors are mapped once, in `api.problems`."""
