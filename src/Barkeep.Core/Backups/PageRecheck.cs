using System.Globalization;
using System.Text;
using Barkeep.Packs;
using Barkeep.Postgres;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>
/// Tells torn pages from damaged ones. A page that the server was writing while it was read is read again, a few times;
/// one that was changed since the backup began is restored from the WAL whatever it holds here. What remains is damage
/// on the server's disk: kept as it is, and recorded. Safe for several threads.
/// </summary>
sealed class PageRecheck(BackupSession session, Lsn begin)
{
    const int Attempts = 5;

    /// <summary>With so many damaged pages known, further ones are not worth five reads each.</summary>
    const int MaximumRecorded = 1000;

    readonly Lock _lock = new();
    readonly List<DamagedPage> _damaged = [];

    /// <summary>The first 1,000.</summary>
    public IReadOnlyList<DamagedPage> Damaged => _damaged;

    public long DamagedCount { get; private set; }

    /// <summary>Reads the pages again and puts what was read into their places in the buffer.</summary>
    public async Task CheckAsync(IReadOnlyList<SuspectPage> suspects, byte[] pages, CancellationToken cancellationToken)
    {
        var left = suspects.ToList();
        for (var attempt = 1; left.Count > 0 && attempt <= (DamagedCount < MaximumRecorded ? Attempts : 1); attempt++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10 * attempt), cancellationToken);
            var read = await session.UseAsync(s => s.ListAsync("reading pages again", Query(left),
                static r => (Number: r.GetInt32(0), Bytes: r.IsDBNull(1) ? null : r.GetFieldValue<byte[]>(1), Now: r.GetString(2)), cancellationToken), cancellationToken);
            var passed = new HashSet<SuspectPage>();
            foreach (var (number, bytes, now) in read)
            {
                if (Accept(left[number], bytes, Lsn.Parse(now), pages))
                {
                    passed.Add(left[number]);
                }
            }
            left.RemoveAll(passed.Contains);
        }
        Record(left);
    }

    // Whether the page is as it should be, or will be once the WAL is replayed.
    bool Accept(SuspectPage suspect, byte[]? bytes, Lsn now, byte[] pages)
    {
        if (bytes is not { Length: Page.Size })
        {
            // Truncated or removed since: replaying the WAL does the same.
            return true;
        }
        bytes.CopyTo(pages.AsSpan(suspect.Slot * Page.Size));
        var page = new DataPage(bytes);
        return page.IsIntact(suspect.Block) || (page.Lsn >= begin && page.Lsn <= now);
    }

    void Record(List<SuspectPage> damaged)
    {
        lock (_lock)
        {
            DamagedCount += damaged.Count;
            foreach (var page in damaged.Take(MaximumRecorded - _damaged.Count))
            {
                _damaged.Add(new(page.File.Path, page.Block, null));
            }
        }
    }

    static string Query(List<SuspectPage> suspects)
    {
        var values = new StringBuilder();
        for (var i = 0; i < suspects.Count; i++)
        {
            var separator = i == 0 ? "" : ",";
            values.Append(CultureInfo.InvariantCulture, $"{separator}({i},{SqlSession.Quote(suspects[i].File.Path)},{(long)suspects[i].Number * Page.Size}::int8)");
        }
        return $"""
            SELECT n, pg_read_binary_file(path, at, {Page.Size}, true),
                (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text
            FROM (VALUES {values}) AS page(n, path, at)
            """;
    }
}
