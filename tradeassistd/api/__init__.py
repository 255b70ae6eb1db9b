"""The local API: HTTP and WebSocket on a Unix socket, over a Control of callables."""
