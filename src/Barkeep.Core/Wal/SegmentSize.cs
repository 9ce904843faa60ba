namespace Barkeep.Wal;

/// <summary>A cluster's wal_segment_size in bytes: a power of two from 1 MiB to 1 GiB (xlog_internal.h, IsValidWalSegSize).</summary>
public readonly record struct SegmentSize
{
    public static readonly SegmentSize Default = new(16 << 20);

    /// <exception cref="ArgumentOutOfRangeException">Not a size that PostgreSQL has.</exception>
    public SegmentSize(int bytes)
    {
        if (!IsValid(bytes))
        {
            throw new ArgumentOutOfRangeException(nameof(bytes), bytes, "a WAL segment is a power of two from 1 MiB to 1 GiB");
        }
        Bytes = bytes;
    }

    public int Bytes { get; }

    /// <returns>False when PostgreSQL has no such size.</returns>
    public static bool TryFrom(long bytes, out SegmentSize size)
    {
        var valid = IsValid(bytes);
        size = valid ? new((int)bytes) : default;
        return valid;
    }

    /// <summary>How many segments share the first 16 hex digits of their names.</summary>
    public uint SegmentsPerLog => (uint)(0x1_0000_0000UL / (ulong)Bytes);

    /// <summary>The number of the segment that holds this position.</summary>
    public ulong NumberOf(Lsn lsn) => lsn.Value / (ulong)Bytes;

    /// <summary>The first position of a segment.</summary>
    public Lsn StartOf(ulong number) => new(number * (ulong)Bytes);

    /// <summary>The position's distance from its segment's start, in bytes.</summary>
    public int OffsetOf(Lsn lsn) => (int)(lsn.Value & (ulong)(Bytes - 1));

    static bool IsValid(long bytes) => bytes is >= 1 << 20 and <= 1 << 30 && (bytes & (bytes - 1)) == 0;
}
