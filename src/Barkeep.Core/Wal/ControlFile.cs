using System.Buffers.Binary;
using Barkeep.Common;

namespace Barkeep.Wal;

/// <summary>
/// What a cluster's global/pg_control says (pg_control.h, ControlFileData), as the server last wrote it. PostgreSQL 13 to
/// 17 share one layout on 64-bit little-endian machines; 18 adds a byte after the checksum version.
/// </summary>
public sealed record ControlFile
{
    /// <summary>The file's size in bytes; what is used are the first 300.</summary>
    public const int FileSize = 8192;

    const uint Version13 = 1300;
    const uint Version17 = 1700;
    const uint Version18 = 1800;

    public required ulong SystemIdentifier { get; init; }

    /// <summary>The version of the file's layout: 1300 for PostgreSQL 13 to 16, then 1700 and 1800.</summary>
    public required uint ControlVersion { get; init; }

    /// <summary>The version of the system catalogs; part of the name of a tablespace's version directory.</summary>
    public required uint CatalogVersion { get; init; }

    public required ClusterState State { get; init; }

    /// <summary>When the server wrote the file.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>The last checkpoint's record.</summary>
    public required Lsn Checkpoint { get; init; }

    /// <summary>Where replay from the last checkpoint begins.</summary>
    public required Lsn Redo { get; init; }

    /// <summary>The last checkpoint's timeline.</summary>
    public required TimelineId Timeline { get; init; }

    public required Lsn MinRecoveryPoint { get; init; }

    public required WalLevel WalLevel { get; init; }

    public required int MaxConnections { get; init; }

    public required int MaxWorkerProcesses { get; init; }

    public required int MaxWalSenders { get; init; }

    public required int MaxPreparedTransactions { get; init; }

    public required int MaxLocksPerTransaction { get; init; }

    /// <summary>The size of a page of a relation file, in bytes.</summary>
    public required uint BlockSize { get; init; }

    /// <summary>How many blocks a file of a large relation holds.</summary>
    public required uint BlocksPerFile { get; init; }

    /// <summary>The size of a page of WAL, in bytes.</summary>
    public required uint WalBlockSize { get; init; }

    public required SegmentSize SegmentSize { get; init; }

    /// <summary>0 when pages bear no checksums.</summary>
    public required uint DataChecksumVersion { get; init; }

    /// <summary>Reads the file's content.</summary>
    /// <exception cref="BarkeepException">
    /// <see cref="ErrorKind.UnsupportedServer"/>: not the layout of PostgreSQL 13 to 18.
    /// <see cref="ErrorKind.Damaged"/>: too short, or its CRC is wrong; a read beside a running server can be torn: read again.
    /// </exception>
    public static ControlFile Parse(ReadOnlySpan<byte> content)
    {
        if (content.Length < 300)
        {
            throw new BarkeepException(ErrorKind.Damaged, $"pg_control has only {content.Length} bytes");
        }
        var version = UInt32(content, 8);
        if (version is not (Version13 or Version17 or Version18))
        {
            throw new BarkeepException(ErrorKind.UnsupportedServer, $"pg_control has the version {version}", "PostgreSQL 13 to 18 on 64-bit little-endian machines are supported");
        }
        var crcAt = version == Version18 ? 292 : 288;
        if (Crc32C.Of(content[..crcAt]) != UInt32(content, crcAt))
        {
            throw new BarkeepException(ErrorKind.Damaged, "pg_control does not match its CRC");
        }
        return new ControlFile
        {
            SystemIdentifier = UInt64(content, 0),
            ControlVersion = version,
            CatalogVersion = UInt32(content, 12),
            State = (ClusterState)UInt32(content, 16),
            Time = DateTimeOffset.FromUnixTimeSeconds((long)UInt64(content, 24)),
            Checkpoint = new(UInt64(content, 32)),
            Redo = new(UInt64(content, 40)),
            Timeline = new(UInt32(content, 48)),
            MinRecoveryPoint = new(UInt64(content, 136)),
            WalLevel = (WalLevel)UInt32(content, 172),
            MaxConnections = (int)UInt32(content, 180),
            MaxWorkerProcesses = (int)UInt32(content, 184),
            MaxWalSenders = (int)UInt32(content, 188),
            MaxPreparedTransactions = (int)UInt32(content, 192),
            MaxLocksPerTransaction = (int)UInt32(content, 196),
            BlockSize = UInt32(content, 216),
            BlocksPerFile = UInt32(content, 220),
            WalBlockSize = UInt32(content, 224),
            SegmentSize = new((int)UInt32(content, 228)),
            DataChecksumVersion = UInt32(content, 252),
        };
    }

    static uint UInt32(ReadOnlySpan<byte> content, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(content[offset..]);

    static ulong UInt64(ReadOnlySpan<byte> content, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(content[offset..]);
}
