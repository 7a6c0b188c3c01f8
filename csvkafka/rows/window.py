"""A look at the bytes ahead, whatever chunks they come in.

If reading the chunks fails (the object is cut off, its server is gone), the error is held back
until the bytes before it are used up, because the whole rows among them are still rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from csvkafka.errors import CsvKafkaError, StoppedError


def begun(chunks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The first chunks as one (at least `size` bytes, if there are so many), and an iterator over
    the others. An error comes after what was before it."""
    first = b""
    try:
        for chunk in chunks:
            first += chunk
            if len(first) >= size:
                break
    except StoppedError:
        raise
    except CsvKafkaError as error:
        return first, raising(error)
    return first, chunks


def raising(error: Exception) -> Iterator[bytes]:
    """Chunks of which there is none: the error comes when the first is asked for."""
    raise error
    yield b""


class Window:
    """The bytes of `chunks`, the first of which is at `byte_offset` of the source; `stored_size`
    tells in how many bytes of the source some of them are stored."""

    def __init__(
        self,
        chunks: Iterator[bytes],
        byte_offset: int,
        stored_size: Callable[[bytes], int] | None = None,
    ) -> None:
        self._chunks = chunks
        self._stored_size = stored_size
        self._ahead = bytearray()
        self._ended = False
        self._failure: CsvKafkaError | None = None
        self.byte_offset = byte_offset

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only where the source ends or fails."""
        self._fill(size)
        return bytes(memoryview(self._ahead)[:size])

    def ends_within(self, size: int) -> bool:
        """Whether the source has no more than `size` bytes left; False if it fails before."""
        self._fill(size + 1)
        return len(self._ahead) <= size and self._failure is None

    def raise_if_failed(self, size: int) -> None:
        """Raises the source's error if it comes before `size` bytes from here."""
        if self._failure is not None and len(self._ahead) <= size:
            raise self._failure

    def skip(self, size: int) -> None:
        """Goes on by `size` bytes, which were peeked at before."""
        stored = self._stored_size
        self.byte_offset += size if stored is None else stored(self.peek(size))
        del self._ahead[:size]

    def skip_blank_lines(self) -> bool:
        """Goes on to the next row; False if there is none. Raises the source's error if that is
        next."""
        while self._fill(1):
            blank = len(self._ahead) - len(self._ahead.lstrip(b"\r\n"))
            self.skip(blank)
            if self._ahead:
                return True
        self.raise_if_failed(0)
        return False

    def _fill(self, size: int) -> bool:
        while len(self._ahead) < size and not self._ended:
            try:
                chunk = next(self._chunks, None)
            except StoppedError:
                raise
            except CsvKafkaError as error:
                self._failure, chunk = error, None
            if chunk is None:
                self._ended = True
            else:
                self._ahead += chunk
        return len(self._ahead) >= size
