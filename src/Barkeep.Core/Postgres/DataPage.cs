using System.Buffers.Binary;
using Barkeep.Wal;

namespace Barkeep.Postgres;

/// <summary>One page of a relation file, and what its header says (bufpage.h, PageHeaderData).</summary>
/// <param name="bytes">The whole page: <see cref="Size"/> bytes.</param>
public readonly ref struct DataPage(ReadOnlySpan<byte> bytes)
{
    /// <summary>A page's size in bytes; PostgreSQL can be compiled with others, which are not supported.</summary>
    public const int Size = 8192;

    readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>The end of the last WAL record that changed the page (pd_lsn).</summary>
    public Lsn Lsn => new(((ulong)BinaryPrimitives.ReadUInt32LittleEndian(_bytes) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(_bytes[4..]));

    /// <summary>The checksum as stored (pd_checksum).</summary>
    public ushort Checksum => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[8..]);

    /// <summary>Whether the page was added to its file and not yet used (pd_upper is 0): then all of it must be zero.</summary>
    public bool IsNew => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[14..]) == 0;

    /// <summary>Whether PostgreSQL, with checksums on, would accept the page as this block of its fork (bufpage.c, PageIsVerified).</summary>
    /// <param name="block">The page's number within its fork, counted over all the fork's files.</param>
    public bool IsIntact(uint block) => IsNew ? !_bytes.ContainsAnyExcept((byte)0) : PageChecksum.Of(_bytes, block) == Checksum;
}
