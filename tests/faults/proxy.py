"""A TCP proxy that a test can delay, hold up and cut, to stand for a network."""

import asyncio
import socket
import struct
import threading

CHUNK_BYTES = 1 << 16


class Proxy:
    """Listens on a port of its own on 127.0.0.1 and forwards to `target` ("host:port"), which may come and go.

    All methods may be called from any thread.
    """

    def __init__(self, target):
        self._host, port = target.rsplit(":", 1)
        self._port = int(port)
        self._delay_seconds = 0.0
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        # Nothing passes while it is cleared.
        self._open = None
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % listening.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening, ready), daemon=True)
        self._thread.start()
        ready.wait()

    def cut(self):
        """Resets all connections; new ones can be made at once."""
        self._call(self._cut)

    def delay(self, seconds):
        """From now on bytes arrive this late, 0 for at once; each chunk waits for the one before it."""
        self._delay_seconds = seconds

    def hold(self):
        """Nothing passes until release(); connections stay."""
        self._call(lambda: self._open.clear())

    def release(self):
        self._call(lambda: self._open.set())

    def close(self):
        self._call(self._cut)
        self._call(self._loop.stop)
        self._thread.join()

    def _call(self, function):
        self._loop.call_soon_threadsafe(function)

    def _run(self, listening, ready):
        asyncio.set_event_loop(self._loop)
        self._open = asyncio.Event()
        self._open.set()
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=listening))
        ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _cut(self):
        for writer in list(self._writers):
            connection = writer.get_extra_info("socket")
            # One that its peer has just ended is closed, and still listed.
            if connection is not None and connection.fileno() >= 0:
                # A reset, not an orderly end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _serve(self, reader, writer):
        try:
            onward_reader, onward_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, onward_writer}
        self._writers |= both
        try:
            ways = [asyncio.ensure_future(self._forward(reader, onward_writer)),
                    asyncio.ensure_future(self._forward(onward_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        finally:
            self._writers -= both
            for end in both:
                end.transport.abort()

    async def _forward(self, reader, writer):
        try:
            while True:
                data = await reader.read(CHUNK_BYTES)
                if not data:
                    return
                await self._open.wait()
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                writer.write(data)
                await writer.drain()
        except OSError:
            return
