using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Health;

/// <summary>
/// Judges what a probe saw, one finding a line, in Barman's words where Barman has the line and it means something here.
/// Pure: the same facts give the same findings.
/// </summary>
public static class Checklist
{
    /// <summary>The finding of whether there is anything to restore.</summary>
    public const string UsableBackup = "usable backup";

    /// <summary>WAL kept for a slot that is in no danger, but is a sign of a receiver that does not keep up.</summary>
    const long MuchRetained = 1L << 30;

    /// <summary>How long the WAL of a backup may take to arrive.</summary>
    static readonly TimeSpan WalPatience = TimeSpan.FromMinutes(5);

    public static IReadOnlyList<Finding> Judge(HealthFacts facts)
    {
        var server = facts.Server;
        Finding?[] findings =
        [
            Server(facts),
            server is null ? null : Privileges(facts, server),
            Streaming(facts),
            server is null ? null : WalLevel(server),
            server is null ? null : Slot(facts, server),
            Repository(facts),
            .. facts.Known is null ? [] : RetentionChecks.Judge(facts),
            .. Backups(facts),
            server is null ? null : Identity(facts, server),
            Receiver(facts),
            facts.Coverage is { } coverage ? Gaps(coverage) : null,
            Conflicts(facts),
        ];
        return [.. findings.OfType<Finding>()];
    }

    static Finding Server(HealthFacts facts) => facts.ServerFailure is { } failure
        ? Finding.Failed("PostgreSQL", failure.Line)
        : Finding.Ok("PostgreSQL");

    static Finding Privileges(HealthFacts facts, ServerObservation server)
    {
        const string Name = "superuser or standard user with backup privileges";
        var missing = server.MissingGrants.Where(static g => g.IsForBackup).Select(g => g.StatementFor(facts.Config.BackupUser)).ToList();
        return missing.Count == 0 ? Finding.Ok(Name) : Finding.Failed(Name, $"missing: {string.Join("; ", missing)}");
    }

    static Finding WalLevel(ServerObservation server) => server.WalLevel == "minimal"
        ? Finding.Failed("wal_level", "it is minimal: set it to replica and restart PostgreSQL")
        : Finding.Ok("wal_level");

    static Finding Identity(HealthFacts facts, ServerObservation server) => facts.Known switch
    {
        { } known when known.SystemId != server.SystemId || known.MajorVersion != server.MajorVersion =>
            Finding.Failed("systemid coherence", $"the repository is of system {known.SystemId} (PostgreSQL {known.MajorVersion}), the server is {server.SystemId} (PostgreSQL {server.MajorVersion})"),
        _ => Finding.Ok("systemid coherence"),
    };

    static Finding Slot(HealthFacts facts, ServerObservation server)
    {
        const string Name = "replication slot";
        var slot = server.Slots.FirstOrDefault(s => s.Name == facts.Config.SlotName);
        if (slot is null)
        {
            return Finding.Failed(Name, $"slot '{facts.Config.SlotName}' does not exist; the receiver or setup-barman makes it");
        }
        if (slot.IsLost)
        {
            return Finding.Failed(Name, $"the server has given up the WAL that slot '{slot.Name}' kept (max_slot_wal_keep_size); the receiver records the gap");
        }
        var room = slot.SafeWalSize is { } safe ? $"{new ByteSize(Math.Max(0, safe))} more until loss" : "nothing limits it: it can fill the server's disk";
        var retained = $"{new ByteSize(slot.RetainedBytes)} retained, {room}";
        if (slot.WalStatus == "unreserved" || slot.SafeWalSize is { } left && server.SlotLimit is { } limit && left < limit / 5)
        {
            return Finding.Failed(Name, $"WAL is about to be lost: {retained}");
        }
        if (slot.RetainedBytes > MuchRetained)
        {
            return Finding.Failed(Name, retained);
        }
        return slot.IsActive ? Finding.Ok(Name, retained) : Finding.Failed(Name, $"nobody streams from slot '{slot.Name}': {retained}");
    }

    static Finding Streaming(HealthFacts facts) => (facts.StreamingFailure ?? Unreachable(facts)) is { } failure
        ? Finding.Failed("PostgreSQL streaming", failure.Line)
        : Finding.Ok("PostgreSQL streaming");

    static BarkeepException? Unreachable(HealthFacts facts) =>
        facts.ServerFailure?.Kind == ErrorKind.ServerUnreachable && !ReceiverVerdict.IsStreaming(facts) ? facts.ServerFailure : null;

    static Finding Repository(HealthFacts facts) => facts.RepositoryFailure is { } failure
        ? Finding.Failed("directories", failure.Line)
        : Finding.Ok("directories");

    static Finding Receiver(HealthFacts facts) => ReceiverVerdict.WhatIsWrong(facts) is { } wrong
        ? Finding.Failed("receive-wal running", wrong)
        : Finding.Ok("receive-wal running");

    // One that was recorded and lies before the newest backup is history: no restore of that backup crosses it. What was here and is gone is a fault of the repository.
    static Finding Gaps(WalCoverage coverage)
    {
        const string Name = "WAL gaps";
        var answers = new List<string>();
        if (coverage.Lost.Count > 0)
        {
            answers.Add("barman put-wal brings WAL back, and so does a receiver that starts anew (receive-wal --stop) as long as the server has it");
        }
        if (coverage.IsOpen)
        {
            answers.Add("cron takes a new backup");
        }
        return answers.Count > 0
            ? Finding.Failed(Name, string.Join("; ", [.. (coverage.IsOpen ? coverage.Gaps : coverage.Lost).Select(static g => g.ToString()), .. answers]))
            : Finding.Ok(Name, coverage.Gaps.Count == 0 ? null : $"{coverage.Gaps.Count} before the newest backup");
    }

    static Finding Conflicts(HealthFacts facts)
    {
        const string Name = "archiver errors";
        return facts.Conflicts is [var first, ..]
            ? Finding.Failed(Name, $"{facts.Conflicts.Count} WAL files were refused because they contradict what was here, the first {first.File}: two clusters write one timeline; end one, then remove {first.ObjectName} from the repository")
            : Finding.Ok(Name);
    }

    static IEnumerable<Finding> Backups(HealthFacts facts)
    {
        if (facts.RepositoryFailure is not null && facts.Known is null)
        {
            yield break;
        }
        var failed = facts.Backups.Count(b => b.State is BackupState.Failed or BackupState.Damaged || (b.State == BackupState.Started && !facts.BackupRuns));
        var damaged = facts.Backups.Where(static b => b.State == BackupState.Damaged).ToList();
        yield return failed == 0
            ? Finding.Ok("failed backups", "there are 0 failed backups")
            : Finding.Failed("failed backups", $"there are {failed} failed backups; barman delete removes one");
        if (damaged.Count > 0)
        {
            yield return Finding.Failed("stored backups", string.Join("; ", damaged.Select(static b => $"backup {b.Id}: {b.Failure}")));
        }
        else if (facts.CollectionDamage is { } damage)
        {
            yield return Finding.Failed("stored backups", $"nothing is removed: {damage}");
        }
        if (facts.DamagedPacks.Count > 0)
        {
            yield return Finding.Failed(
                "stored pages",
                $"damaged packs: {string.Join(", ", facts.DamagedPacks)}; verify-backup says which backups that touches, backup stores again what they held, and nothing is let go by the retention policy until the backups that need them have been deleted");
        }
        if (facts.Newest is not { Info: { } info } newest)
        {
            yield return Finding.Failed(UsableBackup, "there is none; take one with barman backup");
            yield break;
        }
        yield return facts.Coverage is { IsOpen: false, Lack: { } lack }
            ? Finding.Failed(UsableBackup, $"{lack}; cron takes one")
            : Finding.Ok(UsableBackup, facts.Coverage?.Latest is { } latest && latest != newest.Id ? $"{latest}; backup {newest.Id} is newer, and {WhyNot(facts.Coverage, newest.Id, info)}" : newest.Id.ToString());
        yield return newest.State == BackupState.WaitingForWals && facts.Now - info.EndTime > WalPatience
            ? Finding.Failed("backup complete", $"backup {newest.Id} still waits for WAL up to {info.EndLsn}")
            : Finding.Ok("backup complete", newest.State == BackupState.Done ? null : $"backup {newest.Id} waits for WAL up to {info.EndLsn}");
        yield return DamagedPages(newest, info);
    }

    static string WhyNot(WalCoverage coverage, BackupId newest, BackupInfo info) =>
        coverage.Damaged.TryGetValue(newest, out var damage) ? damage : $"on timeline {info.Timeline}, which the server has left";

    static Finding DamagedPages(BackupRecord newest, BackupInfo info)
    {
        const string Name = "damaged pages";
        if (info.DamagedPageCount == 0)
        {
            return Finding.Ok(Name, info.DataChecksums ? null : "not checked: the cluster has no data checksums");
        }
        var shown = info.DamagedPages.Take(3).Select(static p => $"{p.Relation ?? p.File} block {p.Block} ({p.File})");
        return Finding.Failed(Name, $"{info.DamagedPageCount} in backup {newest.Id}: {string.Join(", ", shown)}; barman show-backup lists them");
    }
}
