namespace Barkeep.Common;

/// <summary>
/// A stream that hands on what is written to it, before the write returns, up to a number of bytes; what exceeds them is dropped.
/// Nothing can be read from it.
/// </summary>
sealed class SinkStream(SinkStream.Taker take, long limit = long.MaxValue) : Stream
{
    long _rest = limit;

    public delegate void Taker(ReadOnlySpan<byte> bytes);

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        var part = buffer[..(int)Math.Min(buffer.Length, _rest)];
        if (!part.IsEmpty)
        {
            take(part);
            _rest -= part.Length;
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
