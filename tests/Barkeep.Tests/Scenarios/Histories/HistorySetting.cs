using System.Globalization;
using Barkeep.Tests.Rig;

namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>The server that a history happens to, and how long the history is: all of it from the seed alone.</summary>
/// <param name="HasWalLogHints">Whether hint bits are in the WAL although there are no checksums.</param>
sealed record HistorySetting(int Seed, int Length, int Version, bool HasChecksums, bool HasWalLogHints, bool SummarizesWal, int SharedBuffersKb)
{
    /// <summary>Seeds from here on are those of slow tests, which run on every version.</summary>
    public const int FirstSlow = 4;

    /// <summary>Seeds from here on are those of long histories.</summary>
    public const int FirstLong = 1000;

    /// <summary>Whether every change of a page, be it a hint only, is in the WAL: then a restored page equals the original's in every bit.</summary>
    public bool IsEveryChangeLogged => HasChecksums || HasWalLogHints;

    public static HistorySetting Of(int seed)
    {
        // Not the dice of the steps: those must not change with the server.
        var dice = new Random(~seed);
        IReadOnlyList<int> versions = seed < FirstSlow ? PostgresInstallation.Versions : [.. PostgresInstallation.Versions, .. PostgresInstallation.SlowVersions];
        var version = versions[seed % versions.Count];
        // Of as many seeds in a row as there are versions, each has another one; of every five, one has no checksums.
        var hasChecksums = seed % 5 != 3;
        return new(
            seed,
            seed < FirstLong ? 30 : 100,
            version,
            hasChecksums,
            !hasChecksums && dice.Next(3) == 0,
            version >= 17 && dice.Next(2) == 0,
            1024 << (2 * dice.Next(3)));
    }

    public TestClusterOptions ToOptions() => new()
    {
        Version = Version,
        Checksums = HasChecksums,
        Configuration =
        [
            // At a resting point nothing may move.
            "autovacuum = off",
            $"shared_buffers = {SharedBuffersKb}kB",
            $"wal_log_hints = {(HasWalLogHints ? "on" : "off")}",
            .. SummarizesWal ? (string[])["summarize_wal = on"] : [],
            "max_prepared_transactions = 20",
            "maintenance_work_mem = 1MB",
            "checkpoint_timeout = 1h",
            // What a transaction has not committed is lost in a crash.
            "wal_buffers = 4MB",
            "wal_writer_delay = 10s",
            "bgwriter_lru_maxpages = 0",
            "vacuum_cost_limit = 10000",
        ],
    };

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"seed {Seed}: PostgreSQL {Version}, {(HasChecksums ? "checksums" : HasWalLogHints ? "wal_log_hints" : "neither checksums nor wal_log_hints")}, {(SummarizesWal ? "summarize_wal, " : "")}shared_buffers {SharedBuffersKb}kB");
}
