using System.Globalization;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Cli.Shared;

/// <summary>A backup for people: sections of labelled values, in Barman's form. What is shown here belongs into <see cref="BackupDetailsJson"/> too.</summary>
sealed class BackupDetailsText(BackupDetails details)
{
    const int ShownPages = 20;

    readonly ServerBackup _backup = details.Backup;

    public IEnumerable<string> Lines()
    {
        yield return $"Backup {_backup.Id}:";
        foreach (var (label, value) in Head())
        {
            yield return $"  {label,-23}: {value}";
        }
        foreach (var (title, rows) in Sections())
        {
            yield return "";
            yield return $"  {title}:";
            foreach (var (label, value) in rows)
            {
                yield return $"    {label,-21}: {value}";
            }
        }
        yield return "";
    }

    /// <summary>As Barman writes a time, in the local zone.</summary>
    public static string Time(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture);

    /// <summary>As Barman writes how fast WAL comes.</summary>
    /// <param name="rate">Segments a second.</param>
    public static string HourlyRate(double rate) => string.Create(CultureInfo.InvariantCulture, $"{rate * 3600:0.00}/hour");

    IEnumerable<(string Label, string Value)> Head()
    {
        if (details.Info?.Name is { Length: > 0 } name)
        {
            yield return ("Backup Name", name);
        }
        yield return ("Server Name", details.Server.ToString());
        yield return ("System Id", _backup.Lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture));
        yield return ("Status", _backup.Status);
        if (details.Info is { } info)
        {
            yield return ("PostgreSQL Version", info.ServerVersion.ToString(CultureInfo.InvariantCulture));
            yield return ("PGDATA directory", info.DataDirectory);
            yield return ("Estimated Cluster Size", new ByteSize(info.ClusterSize).ToString());
        }
        else if (details.Error is { } error)
        {
            yield return ("Error", error);
        }
    }

    IEnumerable<(string Title, IEnumerable<(string Label, string Value)> Rows)> Sections()
    {
        if (details.Info is not { } info)
        {
            yield break;
        }
        yield return ("Server information", [("Checksums", info.DataChecksums ? "on" : "off")]);
        if (info.Tablespaces.Count > 0)
        {
            yield return ("Tablespaces", info.Tablespaces.Select(static t => (t.Name, $"{t.Location} (oid: {t.Oid})")));
        }
        yield return ("Base backup information", Base(info));
        yield return ("WAL information", Wal(info));
        if (info.DamagedPageCount > 0)
        {
            yield return ("Damaged pages", Damage(info));
        }
        yield return ("Catalog information", Catalog(info));
    }

    IEnumerable<(string Label, string Value)> Base(BackupInfo info)
    {
        yield return ("Backup Method", "postgres");
        yield return ("Backup Type", _backup.Type);
        yield return ("Backup Size", $"{new ByteSize(info.ClusterSize)} ({_backup.Size} with WALs)");
        yield return ("WAL Size", new ByteSize(_backup.OwnWal.Bytes).ToString());
        yield return ("Stored Size", new ByteSize(info.StoredBytes).ToString());
        yield return ("Resources saved", Saved(info));
        yield return ("Read Size", new ByteSize(info.ReadBytes).ToString());
        if (info.WhyEverything is { } why)
        {
            yield return ("Everything was read", why);
        }
        yield return ("Number of files", info.FileCount.ToString(CultureInfo.InvariantCulture));
        yield return ("Timeline", info.TimelineId.ToString());
        yield return ("Begin WAL", info.FirstSegment.ToString());
        yield return ("End WAL", info.LastSegment.ToString());
        yield return ("Number of WALs", info.SegmentCount.ToString(CultureInfo.InvariantCulture));
        yield return ("Begin time", Time(info.BeginTime));
        yield return ("End time", Time(info.EndTime));
        yield return ("Copy time", BackupReport.Duration(TimeSpan.FromSeconds(info.CopySeconds)));
        yield return ("Estimated throughput", $"{new ByteSize(info.Throughput)}/s ({info.Jobs} jobs)");
        yield return ("Begin Offset", info.WalSegmentSize.OffsetOf(info.BeginLsn).ToString(CultureInfo.InvariantCulture));
        yield return ("End Offset", info.WalSegmentSize.OffsetOf(info.EndLsn).ToString(CultureInfo.InvariantCulture));
        yield return ("Begin LSN", info.BeginLsn.ToString());
        yield return ("End LSN", info.EndLsn.ToString());
        yield return ("Taken by", info.Program);
        if (_backup.DamagedPacks.Count > 0)
        {
            yield return ("Damaged packs", $"{string.Join(", ", _backup.DamagedPacks)}; this backup cannot be restored");
        }
        foreach (var file in info.UnreadConfigFiles)
        {
            yield return ("Not in the backup", file);
        }
    }

    static string Saved(BackupInfo info)
    {
        var saved = info.ClusterSize - info.StoredBytes;
        return string.Create(CultureInfo.InvariantCulture, $"{new ByteSize(saved)} ({(info.ClusterSize == 0 ? 0 : (double)saved / info.ClusterSize):0.00%})");
    }

    IEnumerable<(string Label, string Value)> Wal(BackupInfo info)
    {
        yield return ("Number of files", _backup.LaterWal.Files.ToString(CultureInfo.InvariantCulture));
        yield return ("Disk usage", new ByteSize(_backup.LaterWal.Bytes).ToString());
        if (details.WalRate is { } rate)
        {
            yield return ("WAL rate", HourlyRate(rate));
        }
        if (details.WalRatio is { } ratio)
        {
            yield return ("Compression ratio", string.Create(CultureInfo.InvariantCulture, $"{ratio:0.0%}"));
        }
        yield return ("Last available", _backup.LastSegment?.ToString() ?? "None");
        if (_backup.Reachable is { Count: > 0 } timelines)
        {
            yield return ("Reachable timelines", string.Join(", ", timelines));
        }
        foreach (var gap in _backup.Gaps)
        {
            yield return ("WAL gap", $"{gap}; {(gap.From < info.EndLsn ? "this backup cannot be restored" : "restores of this backup end before it")}");
        }
    }

    static IEnumerable<(string Label, string Value)> Damage(BackupInfo info)
    {
        foreach (var page in info.DamagedPages.Take(ShownPages))
        {
            yield return (page.Relation ?? page.File, string.Create(CultureInfo.InvariantCulture, $"block {page.Block} ({page.File})"));
        }
        if (info.DamagedPageCount > Math.Min(ShownPages, info.DamagedPages.Count))
        {
            yield return ("in all", info.DamagedPageCount.ToString(CultureInfo.InvariantCulture));
        }
    }

    // Whatever it was taken since, a restore needs no other backup: each is the root of its own chain of one.
    IEnumerable<(string Label, string Value)> Catalog(BackupInfo info)
    {
        yield return ("Retention Policy", details.RetentionPolicy);
        if (details.RetentionPolicy is not ("-" or "not enforced") && _backup.Verdict is { } verdict)
        {
            yield return ("Retention Reason", verdict.Reason);
        }
        yield return ("Previous Backup", details.PreviousBackup);
        yield return ("Next Backup", details.NextBackup);
        if (info.Parent is { } parent)
        {
            yield return ("Root Backup", _backup.Id.ToString());
            yield return ("Parent Backup", parent);
            yield return ("Backup chain size", "1");
        }
        if (details.Children.Count > 0)
        {
            yield return ("Children Backup(s)", string.Join(", ", details.Children));
        }
    }
}
