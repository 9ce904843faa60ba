using System.Buffers.Binary;

namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>
/// What PostgreSQL changes in a page of a relation without saying so in the WAL, since losing it does no harm
/// (bufpage.h, htup_details.h, nbtree.h, hash.h, gist.h, brin_page.h, spgist_private.h). A page that was not read again may have
/// it as it was.
/// </summary>
/// <param name="isEveryHintLogged">On clusters with checksums or wal_log_hints: then there is next to nothing.</param>
sealed class UnloggedBits(bool isEveryHintLogged)
{
    const int HeaderSize = 24;
    const uint SpGistMagic = 0xBA0BABEE;

    /// <summary>Clears it.</summary>
    public void Clear(string path, Span<byte> page)
    {
        if (page.Length != 8192 || !(path.StartsWith("base/", StringComparison.Ordinal) || path.StartsWith("global/", StringComparison.Ordinal) || path.StartsWith("pg_tblspc/", StringComparison.Ordinal)))
        {
            return;
        }
        int lower = U16(page, 12), special = U16(page, 16);
        if (lower < HeaderSize || lower > special || special > page.Length)
        {
            return;
        }

        // The metapage of an SP-GiST index remembers pages with room: it is never logged, checksums or not.
        if (special == page.Length - 8 && BinaryPrimitives.ReadUInt32LittleEndian(page[HeaderSize..]) == SpGistMagic)
        {
            page.Slice(HeaderSize + 4, 64).Clear();
            page.Slice(8, 2).Clear();
        }
        if (!isEveryHintLogged)
        {
            ClearHints(page, lower, special);
        }
    }

    static void ClearHints(Span<byte> page, int lower, int special)
    {
        // PD_HAS_FREE_LINES and PD_PAGE_FULL; pd_prune_xid.
        And(page, 10, 0xFFFC);
        page.Slice(20, 4).Clear();
        var isHeap = special == page.Length;
        for (var at = HeaderSize; at + 4 <= lower; at += 4)
        {
            var line = BinaryPrimitives.ReadUInt32LittleEndian(page[at..]);
            var (offset, flags, length) = ((int)(line & 0x7FFF), (line >> 15) & 3, (int)(line >> 17));
            if (isHeap && flags == 1 && length >= 23 && offset + length <= page.Length)
            {
                // HEAP_XMIN_COMMITTED, _INVALID, HEAP_XMAX_COMMITTED, _INVALID.
                And(page, offset + 20, 0xF0FF);
            }
            else if (!isHeap && flags == 3)
            {
                // LP_DEAD in an index is a hint.
                BinaryPrimitives.WriteUInt32LittleEndian(page[at..], (line & ~(3u << 15)) | (1u << 15));
            }
        }
        if (special == page.Length - 16)
        {
            // LH_PAGE_HAS_DEAD_TUPLES, F_HAS_GARBAGE, BTP_HAS_GARBAGE, by the page's kind.
            And(page, special + 12, U16(page, special + 14) switch { 0xFF80 => 0xFF7F, 0xFF81 => 0xFFEF, _ => 0xFFBF });
        }
        else if (special == page.Length - 8 && U16(page, special + 6) is >= 0xF091 and <= 0xF093)
        {
            // BRIN_EVACUATE_PAGE.
            And(page, special + 4, 0xFFFE);
        }
    }

    static int U16(ReadOnlySpan<byte> page, int at) => BinaryPrimitives.ReadUInt16LittleEndian(page[at..]);

    static void And(Span<byte> page, int at, int mask) => BinaryPrimitives.WriteUInt16LittleEndian(page[at..], (ushort)(U16(page, at) & mask));
}
