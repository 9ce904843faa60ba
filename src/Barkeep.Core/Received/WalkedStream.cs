using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Received;

/// <summary>
/// A complete segment that is walked as it is read: whoever reads it to its end has a sound one. Reads on the calling thread:
/// FileStream's asynchronous reads would move the work that follows them to threads of usual priority.
/// </summary>
sealed class WalkedStream(Stream source, int length, RecordWalker walker, BlockChanges changes, Moments moments) : Stream
{
    RecordVisitors<BlockChangeCollector, MomentCollector> _collectors = new(new(changes), new(moments));
    long _position;

    /// <summary>Whether reading has ended because the segment is not sound.</summary>
    public bool IsUnsound { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="BarkeepException">Damaged: the segment is not sound; the message says where. Instead of the bytes that are not.</exception>
    public override int Read(Span<byte> buffer)
    {
        var read = source.Read(buffer[..(int)Math.Min(buffer.Length, length - _position)]);
        walker.Append(buffer[..read], ref _collectors);
        _position += read;
        if (walker.Defect is not null || (read == 0 && _position < length) || (_position == length && !walker.EndsWholeSegment))
        {
            IsUnsound = true;
            throw new BarkeepException(ErrorKind.Damaged, walker.Defect?.ToString() ?? "it is too short");
        }
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Read(buffer.Span));
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        source.Dispose();
        base.Dispose(disposing);
    }
}
