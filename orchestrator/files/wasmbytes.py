"""Takes numbers, names and parts out of a module's bytes; no length in them is believed."""

from __future__ import annotations


class ModuleFormatError(ValueError):
    """Bytes that are no whole module; the message says what and what to do."""


class Reader:
    """Takes bytes between two offsets, and nothing beyond.

    Args:
        data: the whole file.
        start: the first byte it may take.
        end: the first it may not.
    """

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data = data
        #: Where the next byte is taken.
        self.at = start
        self.end = end

    @property
    def left(self) -> int:
        """How many bytes may still be taken."""
        return self.end - self.at

    def damaged(self) -> ModuleFormatError:
        """The complaint about what stands here."""
        return ModuleFormatError(
            f"truncated or damaged at byte {self.at} of {len(self.data)}: build or copy it again"
        )

    def take(self, size: int) -> bytes:
        """Take so many bytes.

        Raises:
            ModuleFormatError: there are fewer.
        """
        if size > self.left:
            raise self.damaged()
        self.at += size
        return self.data[self.at - size : self.at]

    def skip(self, size: int) -> None:
        """Go past so many bytes without a copy of them.

        Raises:
            ModuleFormatError: there are fewer.
        """
        if size > self.left:
            raise self.damaged()
        self.at += size

    def byte(self) -> int:
        """Take one byte.

        Raises:
            ModuleFormatError: there is none.
        """
        if self.at >= self.end:
            raise self.damaged()
        self.at += 1
        return self.data[self.at - 1]

    def part(self, size: int) -> Reader:
        """Go past some bytes and answer a reader that sees only those.

        Raises:
            ModuleFormatError: there are fewer.
        """
        self.skip(size)
        return Reader(self.data, self.at - size, self.at)

    def unsigned(self, bits: int = 32) -> int:
        """Take an unsigned LEB128 number (core specification, 5.2.2).

        Raises:
            ModuleFormatError: it does not end, or is larger than its bits.
        """
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if value >> bits or shift >= bits:
                raise self.damaged()
            if not byte & 0x80:
                return value
            shift += 7

    def signed(self, bits: int) -> int:
        """Take a signed LEB128 number.

        Raises:
            ModuleFormatError: it does not end, or is larger than its bits.
        """
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
            if shift >= bits:
                raise self.damaged()
        if byte & 0x40:
            value -= 1 << shift
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise self.damaged()
        return value

    def count(self) -> int:
        """Take the length of a vector; each item is a byte at least.

        Raises:
            ModuleFormatError: there is no room for so many.
        """
        found = self.unsigned()
        if found > self.left:
            raise self.damaged()
        return found

    def name(self) -> str:
        """Take a name.

        Raises:
            ModuleFormatError: it is cut short, or no UTF-8.
        """
        raw = self.take(self.unsigned())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.damaged() from None
