using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Wal;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Receiving;

/// <summary>
/// One segment being received, always into a new file. When the spool holds that segment from before (a restart, a broken
/// connection, a failed flush), the new file is called <c>.fresh</c> until everything that was known good has come again,
/// equal, and is flushed; then it takes the old one's place. So an acknowledged byte is never lost to a second reception,
/// and no file whose flush has failed is ever flushed again.
/// One thread writes, another flushes.
/// </summary>
sealed class TailFile : IDisposable
{
    const int CompareBuffer = 64 << 10;

    readonly string _path;
    readonly SafeFileHandle _file;
    readonly SegmentSize _size;
    readonly SpooledSegment? _old;
    SafeFileHandle? _oldFile;
    byte[]? _compare;
    int _length;
    volatile bool _named;

    TailFile(SegmentName name, WalSpool spool, SpooledSegment? old)
    {
        Name = name;
        _size = spool.SegmentSize;
        FinalPath = spool.PathOf(name);
        _path = old is null ? FinalPath : FinalPath + SpoolNames.Fresh;
        _old = old;
        if (old is not null)
        {
            File.Delete(_path);
            _oldFile = File.OpenHandle(FinalPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        // Never over a file that is there: it may be all that is left of acknowledged WAL.
        _file = File.OpenHandle(_path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        Possession.Give(_file, _path);
    }

    public SegmentName Name { get; }

    public string FinalPath { get; }

    /// <summary>Bytes written, from the segment's start.</summary>
    public int Length => Volatile.Read(ref _length);

    public bool IsFull => Length == _size.Bytes;

    /// <summary>Whether the file has its final name, durably.</summary>
    public bool IsNamed => _named;

    /// <param name="old">What the spool holds of this segment; null when it holds nothing.</param>
    /// <exception cref="BarkeepException">DiskFull; Storage.</exception>
    public static TailFile Create(SegmentName name, WalSpool spool, SpooledSegment? old)
    {
        try
        {
            return new(name, spool, old);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Errno.From(e, $"creating {spool.PathOf(name)}");
        }
    }

    /// <summary>Appends. After an exception nothing counts as written, and the same bytes may be written again.</summary>
    /// <exception cref="BarkeepException">DiskFull; Storage; WalDiverged: the old file has other bytes here.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_old is not null && _length < _old.ValidLength)
        {
            Compare(bytes[..Math.Min(bytes.Length, _old.ValidLength - _length)]);
        }
        try
        {
            RandomAccess.Write(_file, bytes, _length);
        }
        catch (IOException e)
        {
            throw Errno.From(e, $"writing {_path}");
        }
        Volatile.Write(ref _length, _length + bytes.Length);
    }

    void Compare(ReadOnlySpan<byte> bytes)
    {
        _compare ??= new byte[CompareBuffer];
        for (var done = 0; done < bytes.Length;)
        {
            var part = bytes.Slice(done, Math.Min(_compare.Length, bytes.Length - done));
            var known = _compare.AsSpan(0, part.Length);
            var read = RandomAccess.Read(_oldFile!, known, _length + done);
            if (read == 0 || !part[..read].SequenceEqual(known[..read]))
            {
                throw new BarkeepException(
                    ErrorKind.WalDiverged,
                    $"the server's WAL differs from what was received before in {Name}, on the same timeline, near {Name.Start(_size) + _length + done}",
                    HeldProof.StaysIn(FinalPath));
            }
            done += read;
        }
    }

    /// <summary>When it returns, so many bytes are on stable storage, under the final name once the old file is caught up with.</summary>
    /// <exception cref="BarkeepException">DiskFull; Storage: the file must not be flushed again.</exception>
    public void Flush(int length)
    {
        Durable.Flush(_file, _path);
        if (_named || (_old is not null && length < _old.ValidLength))
        {
            return;
        }
        if (_old is null)
        {
            Durable.FlushDirectory(Path.GetDirectoryName(FinalPath)!);
        }
        else
        {
            Durable.Supersede(_path, FinalPath);
            // No longer: these bytes are.
            File.Delete(FinalPath + SpoolNames.Suspect);
        }
        _named = true;
    }

    /// <summary>Marks the file, if it bears its final name, as one whose bytes may not be on the disk although they can be read.</summary>
    public void MarkSuspect()
    {
        if (_path == FinalPath || _named)
        {
            SpoolNames.MarkSuspect(FinalPath);
        }
    }

    public void Dispose()
    {
        _file.Dispose();
        _oldFile?.Dispose();
        _oldFile = null;
    }
}
