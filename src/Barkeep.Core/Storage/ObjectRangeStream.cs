namespace Barkeep.Storage;

/// <summary>Reads a part of an object as a stream.</summary>
sealed class ObjectRangeStream(ObjectReader reader, long start, long end) : Stream
{
    readonly long _start = start;
    long _position = start;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => end - _start;

    public override long Position
    {
        get => _position - _start;
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        var part = (int)Math.Min(count, end - _position);
        if (part > 0)
        {
            reader.ReadAsync(_position, buffer.AsMemory(offset, part), CancellationToken.None).AsTask().GetAwaiter().GetResult();
            _position += part;
        }
        return Math.Max(part, 0);
    }

    public override void Flush()
    {
    }

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
