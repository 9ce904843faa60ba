using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Keeping;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>A backup as commands show it.</summary>
/// <param name="lineage">The cluster that it is of.</param>
/// <param name="running">Whether some process takes a backup of the server now.</param>
sealed class ServerBackup(Lineage lineage, BackupRecord record, bool running)
{
    public Lineage Lineage { get; } = lineage;

    public BackupRecord Record { get; } = record;

    public BackupId Id => Record.Id;

    public BackupInfo? Info => Record.Info;

    /// <summary>Its begin; invalid without a manifest.</summary>
    public Lsn BeginLsn { get; } = record.Info?.BeginLsn ?? Lsn.Invalid;

    /// <summary>Its end; invalid without a manifest.</summary>
    public Lsn EndLsn { get; } = record.Info?.EndLsn ?? Lsn.Invalid;

    /// <summary>Barman's word for its state.</summary>
    public string Status => Record.State switch
    {
        BackupState.Done => "DONE",
        BackupState.WaitingForWals => "WAITING_FOR_WALS",
        BackupState.Started when running => "STARTED",
        BackupState.Damaged => "DAMAGED",
        _ => "FAILED",
    };

    /// <summary>What the retention policy says of it; null until that is asked.</summary>
    public RetentionVerdict? Verdict { get; set; }

    /// <summary>Barman's word for that.</summary>
    public string Retention => Verdict?.Status switch
    {
        RetentionStatus.Valid => "VALID",
        RetentionStatus.Obsolete => "OBSOLETE",
        RetentionStatus.PotentiallyObsolete => "OBSOLETE*",
        RetentionStatus.KeptFull => "KEEP:FULL",
        RetentionStatus.KeptStandalone => "KEEP:STANDALONE",
        _ => "-",
    };

    // What is as it should be is not worth a word.
    string RetentionRemark => Retention is "VALID" ? "-" : Retention;

    /// <summary>Whether it has a manifest: everything of it but WAL that may still arrive is here.</summary>
    public bool IsUsable => Record.State is BackupState.Done or BackupState.WaitingForWals;

    /// <summary>Stored bytes and number of segments from its begin to its end.</summary>
    public (long Bytes, int Files) OwnWal { get; private set; }

    /// <summary>The same, after its end and before the next backup.</summary>
    public (long Bytes, int Files) LaterWal { get; private set; }

    /// <summary>The newest segment that belongs to it.</summary>
    public SegmentName? LastSegment { get; private set; }

    /// <summary>The first WAL after its begin that is missing, on each timeline to which it leads: no restore of it crosses that.</summary>
    public IReadOnlyList<MissingWal> Gaps { get; set; } = [];

    /// <summary>Packs of which it needs pages that are known to be damaged: it cannot be restored.</summary>
    public IReadOnlyList<string> DamagedPacks { get; set; } = [];

    /// <summary>The WAL of its cluster; null when that was not asked for.</summary>
    public ReceivedWal? Received { get; set; }

    /// <summary>The timelines besides its own that restores of it can follow.</summary>
    public IReadOnlyList<TimelineId> Reachable => Received is { } received && Info is { } info ? WalRoute.ReachableFrom(received, info.TimelineId, BeginLsn, EndLsn) : [];

    /// <summary>What a restore of it writes: the cluster and the WAL that it needs.</summary>
    public ByteSize Size => new((Info?.ClusterSize ?? 0) + OwnWal.Bytes);

    /// <summary>Barman's word for how it was taken. What it needs for a restore is the same.</summary>
    public string Type => Info?.Parent is null ? "full" : "incremental";

    /// <summary>Counts a segment as its.</summary>
    public void Add(SegmentName segment, long storedLength)
    {
        if (segment.Start(Lineage.Identity.SegmentSize) < EndLsn)
        {
            OwnWal = (OwnWal.Bytes + storedLength, OwnWal.Files + 1);
        }
        else
        {
            LaterWal = (LaterWal.Bytes + storedLength, LaterWal.Files + 1);
        }
        LastSegment = LastSegment is { } last && last > segment ? last : segment;
    }

    public string ListLine(ServerName server)
    {
        var name = Info?.Name is { Length: > 0 } given ? $" '{given}'" : "";
        return Info is null
            ? $"{server} {Id} - F - {Status}"
            : $"{server} {Id}{name} - {(Info.Parent is null ? 'F' : 'I')} - {CTime(Info.EndTime)} - Size: {Size} - WAL Size: {new ByteSize(LaterWal.Bytes)}{(Status == "DONE" ? "" : $" - {Status}")}{(RetentionRemark == "-" ? "" : $" - {RetentionRemark}")}{(Gaps.Count > 0 ? $" - WAL GAP: {string.Join(", ", Gaps.Select(static g => $"{g.From} to {g.To}"))}" : "")}{(DamagedPacks.Count > 0 ? $" - DAMAGED PACKS: {string.Join(", ", DamagedPacks)}" : "")}";
    }

    public JsonObject ListRow()
    {
        var row = new JsonObject { ["backup_id"] = Id.ToString(), ["backup_type"] = Type, ["status"] = Status };
        if (Info is null)
        {
            return row;
        }
        if (Info.Name is { Length: > 0 } name)
        {
            row["backup_name"] = name;
        }
        if (DamagedPacks.Count > 0)
        {
            row["damaged_packs"] = new JsonArray([.. DamagedPacks.Select(static p => (JsonNode)p)]);
        }
        row["end_time"] = CTime(Info.EndTime);
        row["end_time_timestamp"] = Info.EndTime.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        row["retention_status"] = RetentionRemark;
        row["size"] = Size.ToString();
        row["size_bytes"] = Size.Bytes;
        if (Gaps.Count > 0)
        {
            row["wal_gap"] = string.Join("; ", Gaps);
        }
        row["wal_size"] = new ByteSize(LaterWal.Bytes).ToString();
        row["wal_size_bytes"] = LaterWal.Bytes;
        return row;
    }

    /// <summary>A time as C's ctime writes it, in local time: <c>Fri Aug  1 01:00:02 2026</c>.</summary>
    public static string CTime(DateTimeOffset time)
    {
        var local = time.ToLocalTime();
        return string.Create(CultureInfo.InvariantCulture, $"{local:ddd MMM} {local.Day,2} {local:HH:mm:ss yyyy}");
    }
}
