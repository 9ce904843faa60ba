using System.Buffers.Binary;
using System.Text;
using Barkeep.Packs;

namespace Barkeep.Targets;

/// <summary>
/// Reads system catalogs from their files (bufpage.h, itemid.h, htup_details.h), as far as the columns of fixed width go. It sees what any tuple
/// says, whether it is still valid or not: good enough to put a name to a number.
/// </summary>
public static class CatalogTuples
{
    const int PageHeaderSize = 24;
    const int TupleHeaderSize = 23;
    const int NormalItem = 1;
    const int NameLength = 64;

    /// <summary>What follows the header of each tuple of a file, page by page. What cannot be a tuple is passed over.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Of(ReadOnlyMemory<byte> file)
    {
        for (; file.Length >= Page.Size; file = file[Page.Size..])
        {
            var page = file[..Page.Size];
            var items = (BinaryPrimitives.ReadUInt16LittleEndian(page.Span[12..]) - PageHeaderSize) / sizeof(uint);
            for (var i = 0; i < Math.Min(items, (Page.Size - PageHeaderSize) / sizeof(uint)); i++)
            {
                var item = BinaryPrimitives.ReadUInt32LittleEndian(page.Span[(PageHeaderSize + (i * sizeof(uint)))..]);
                var (offset, flags, length) = ((int)(item & 0x7FFF), (int)(item >> 15) & 3, (int)(item >> 17));
                if (flags == NormalItem && length > TupleHeaderSize && offset + length <= Page.Size
                    && page.Span[offset + 22] is var header && header >= TupleHeaderSize && header < length)
                {
                    yield return page.Slice(offset + header, length - header);
                }
            }
        }
    }

    /// <summary>A column of type name.</summary>
    public static string Name(ReadOnlySpan<byte> column)
    {
        var name = column[..Math.Min(column.Length, NameLength)];
        var end = name.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? name : name[..end]);
    }

    /// <summary>The file number of a mapped relation by a pg_filenode.map (relmapper.c, RelMapFile); the relation's own where it is not mapped.</summary>
    public static uint MappedFile(ReadOnlySpan<byte> map, uint relation)
    {
        const uint Magic = 0x592717;
        const int MaxMappings = 64;
        if (map.Length >= 8 && BinaryPrimitives.ReadUInt32LittleEndian(map) == Magic)
        {
            var count = Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(map[4..]), MaxMappings);
            for (var rest = map[8..]; count > 0 && rest.Length >= 8; count--, rest = rest[8..])
            {
                if (BinaryPrimitives.ReadUInt32LittleEndian(rest) == relation)
                {
                    return BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]);
                }
            }
        }
        return relation;
    }
}
