namespace Barkeep.Wal;

/// <summary>
/// A record whose CRC has been found right. It lives only as long as the call that hands it out.
/// </summary>
public readonly ref struct WalRecord(Lsn start, Lsn end, RecordHeader header, int majorVersion, ReadOnlySpan<byte> head)
{
    /// <summary>The position of its first byte.</summary>
    public Lsn Start { get; } = start;

    /// <summary>Where the next record can begin, as PostgreSQL reports it: aligned to 8 bytes; a switch record ends with its segment.</summary>
    public Lsn End { get; } = end;

    public RecordHeader Header { get; } = header;

    /// <summary>Of the PostgreSQL that wrote it: the layout of some records differs.</summary>
    public int MajorVersion { get; } = majorVersion;

    /// <summary>
    /// Its first bytes, fixed header included and without the page headers between them: all, or <see cref="RecordWalker.HeadLimit"/>,
    /// or of a transaction's record <see cref="RecordWalker.TransactionLimit"/>.
    /// </summary>
    public ReadOnlySpan<byte> Head { get; } = head;
}
