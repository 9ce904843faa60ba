using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Wal;

namespace Barkeep.Receiving;

/// <summary>
/// The WAL of one stream on its way to the disk: one thread writes, another flushes, and complete segments are handed on
/// when they are durable. What is claimed to the server is only what this object has flushed.
/// </summary>
sealed class Tail : IDisposable
{
    readonly WalSpool _spool;
    readonly TimelineId _timeline;
    readonly Lsn _claimFrom;
    readonly IReadOnlyDictionary<SegmentName, SpooledSegment> _held;
    readonly Action<SegmentName> _completed;
    readonly Lock _lock = new();
    readonly List<TailFile> _files = [];
    TailFile? _current;
    ulong _written;
    ulong _flushed;
    bool _broken;

    /// <param name="start">Where the stream begins and what is held already.</param>
    /// <param name="held">What the spool holds of the segments that will come again.</param>
    /// <param name="completed">Told of each segment that is complete and durable, from the flushing thread.</param>
    public Tail(WalSpool spool, StartPoint start, IReadOnlyDictionary<SegmentName, SpooledSegment> held, Action<SegmentName> completed)
    {
        _spool = spool;
        _timeline = start.Timeline;
        _claimFrom = start.Held;
        _held = held;
        _completed = completed;
        _written = start.Position.Value;
        _flushed = start.Held == start.Position ? start.Position.Value : 0;
    }

    /// <summary>Received up to here.</summary>
    public Lsn Written => new(Volatile.Read(ref _written));

    /// <summary>What may be reported as flushed; invalid until all that was held before has come again and is flushed.</summary>
    public Lsn Claimed
    {
        get
        {
            var flushed = new Lsn(Volatile.Read(ref _flushed));
            return flushed >= _claimFrom ? flushed : Lsn.Invalid;
        }
    }

    /// <summary>Writes the bytes at a position; those that an interrupted call has written already are passed over.</summary>
    /// <exception cref="BarkeepException">DiskFull: call again with the same bytes. Storage, WalDiverged, ConnectionLost (a hole in the stream): the stream ends.</exception>
    public void Write(Lsn position, ReadOnlySpan<byte> bytes)
    {
        var done = Written - position;
        if (done < 0 || done > bytes.Length)
        {
            throw new BarkeepException(ErrorKind.ConnectionLost, $"the server sent WAL of {position} where {Written} comes next");
        }
        bytes = bytes[(int)done..];
        while (!bytes.IsEmpty)
        {
            var file = _current is { IsFull: false } ? _current : Next();
            var part = bytes[..Math.Min(bytes.Length, _spool.SegmentSize.Bytes - file.Length)];
            file.Append(part);
            Volatile.Write(ref _written, _written + (ulong)part.Length);
            bytes = bytes[part.Length..];
        }
    }

    TailFile Next()
    {
        var name = SegmentName.Containing(_timeline, Written, _spool.SegmentSize);
        var file = TailFile.Create(name, _spool, _held.GetValueOrDefault(name));
        lock (_lock)
        {
            _files.Add(file);
        }
        return _current = file;
    }

    /// <summary>Flushes what has been written.</summary>
    /// <returns>Whether there was anything to flush.</returns>
    /// <exception cref="BarkeepException">DiskFull; Storage: nothing will be flushed through this object any more.</exception>
    public bool Flush()
    {
        var goal = Written;
        if (_broken || goal.Value <= _flushed)
        {
            return false;
        }
        TailFile[] files;
        lock (_lock)
        {
            files = [.. _files];
        }
        foreach (var file in files)
        {
            var start = file.Name.Start(_spool.SegmentSize);
            var length = (int)Math.Min(goal - start, _spool.SegmentSize.Bytes);
            if (length <= 0)
            {
                break;
            }
            FlushFile(file, length, files);
            if (!file.IsNamed)
            {
                break;
            }
            Volatile.Write(ref _flushed, (start + length).Value);
            if (length == _spool.SegmentSize.Bytes)
            {
                lock (_lock)
                {
                    _files.Remove(file);
                }
                file.Dispose();
                _completed(file.Name);
            }
        }
        return true;
    }

    void FlushFile(TailFile file, int length, TailFile[] files)
    {
        try
        {
            file.Flush(length);
        }
        catch (BarkeepException)
        {
            // The kernel may have dropped the bytes and call the pages clean: neither this file nor those after it
            // are believed again.
            _broken = true;
            foreach (var suspect in files.SkipWhile(f => f != file))
            {
                suspect.MarkSuspect();
            }
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var file in _files)
        {
            file.Dispose();
        }
    }
}
