using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Repo;

namespace Barkeep.Cli.Shared;

/// <summary>One backup in full: sections of labelled values for people, and the same as JSON.</summary>
/// <param name="previous">The backup before it; null for the oldest.</param>
/// <param name="next">The backup after it; null for the newest.</param>
sealed class BackupDetails(ServerName server, ServerBackup backup, ServerBackup? previous, ServerBackup? next)
{
    const int ShownPages = 20;

    readonly BackupInfo? _info = backup.Info;

    /// <summary>Whether a retention policy is configured.</summary>
    public bool IsRetentionEnforced { get; init; }

    /// <summary>Backups that were taken incrementally since this one. They do not need it.</summary>
    public IReadOnlyList<BackupId> Children { get; init; } = [];

    string RetentionPolicy => IsRetentionEnforced || backup.Record.Keep is not null ? backup.Retention : "not enforced";

    public IEnumerable<string> Lines()
    {
        yield return $"Backup {backup.Id}:";
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

    IEnumerable<(string Label, string Value)> Head()
    {
        if (_info?.Name is { Length: > 0 } name)
        {
            yield return ("Backup Name", name);
        }
        yield return ("Server Name", server.ToString());
        yield return ("System Id", backup.Lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture));
        yield return ("Status", backup.Status);
        if (_info is not null)
        {
            yield return ("PostgreSQL Version", _info.ServerVersion.ToString(CultureInfo.InvariantCulture));
            yield return ("PGDATA directory", _info.DataDirectory);
            yield return ("Estimated Cluster Size", new ByteSize(_info.ClusterSize).ToString());
        }
        else if (backup.Status == "FAILED")
        {
            yield return ("Error", backup.Record.Failure ?? BackupRecord.Interrupted);
        }
        else if (backup.Record.Failure is { } failure)
        {
            yield return ("Error", failure);
        }
    }

    IEnumerable<(string Title, IEnumerable<(string Label, string Value)> Rows)> Sections()
    {
        if (_info is null)
        {
            yield break;
        }
        yield return ("Server information", [("Checksums", _info.DataChecksums ? "on" : "off")]);
        if (_info.Tablespaces.Count > 0)
        {
            yield return ("Tablespaces", _info.Tablespaces.Select(static t => (t.Name, $"{t.Location} (oid: {t.Oid})")));
        }
        yield return ("Base backup information", Base(_info));
        yield return ("WAL information", Wal(_info));
        if (_info.DamagedPageCount > 0)
        {
            yield return ("Damaged pages", Damage(_info));
        }
        yield return ("Catalog information", Catalog(_info));
    }

    // Whatever it was taken since, a restore needs no other backup: each is the root of its own chain of one.
    IEnumerable<(string Label, string Value)> Catalog(BackupInfo info)
    {
        yield return ("Retention Policy", RetentionPolicy);
        if (RetentionPolicy is not ("-" or "not enforced") && backup.Verdict is { } verdict)
        {
            yield return ("Retention Reason", verdict.Reason);
        }
        yield return ("Previous Backup", previous?.Id.ToString() ?? "- (this is the oldest base backup)");
        yield return ("Next Backup", next?.Id.ToString() ?? "- (this is the latest base backup)");
        if (info.Parent is { } parent)
        {
            yield return ("Root Backup", backup.Id.ToString());
            yield return ("Parent Backup", parent);
            yield return ("Backup chain size", "1");
        }
        if (Children.Count > 0)
        {
            yield return ("Children Backup(s)", string.Join(", ", Children));
        }
    }

    IEnumerable<(string Label, string Value)> Base(BackupInfo info)
    {
        yield return ("Backup Method", "postgres");
        yield return ("Backup Type", backup.Type);
        yield return ("Backup Size", $"{new ByteSize(info.ClusterSize)} ({backup.Size} with WALs)");
        yield return ("WAL Size", new ByteSize(backup.OwnWal.Bytes).ToString());
        yield return ("Stored Size", new ByteSize(info.StoredBytes).ToString());
        yield return ("Resources saved", Saved(info));
        yield return ("Read Size", new ByteSize(info.ReadBytes).ToString());
        if (info.WhyEverything is { } why)
        {
            yield return ("Everything was read", why);
        }
        yield return ("Number of files", info.FileCount.ToString(CultureInfo.InvariantCulture));
        yield return ("Timeline", info.Timeline.ToString(CultureInfo.InvariantCulture));
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
        foreach (var file in info.UnreadConfigFiles)
        {
            yield return ("Not in the backup", file);
        }
    }

    IEnumerable<(string Label, string Value)> Wal(BackupInfo info)
    {
        yield return ("Number of files", backup.LaterWal.Files.ToString(CultureInfo.InvariantCulture));
        yield return ("Disk usage", new ByteSize(backup.LaterWal.Bytes).ToString());
        if (WalRate(info) is { } rate)
        {
            yield return ("WAL rate", string.Create(CultureInfo.InvariantCulture, $"{rate * 3600:0.00}/hour"));
        }
        if (WalRatio(info) is { } ratio)
        {
            yield return ("Compression ratio", string.Create(CultureInfo.InvariantCulture, $"{ratio:0.0%}"));
        }
        yield return ("Last available", backup.LastSegment?.ToString() ?? "None");
        if (Reachable() is { } timelines)
        {
            yield return ("Reachable timelines", timelines);
        }
        if (backup.Gap is { } gap)
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

    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["backup_id"] = backup.Id.ToString(),
            ["backup_type"] = backup.Type,
            ["server_name"] = server.ToString(),
            ["status"] = backup.Status,
            ["system_id"] = backup.Lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture),
        };
        if (backup.Record.Failure is { } failure)
        {
            json["error"] = failure;
        }
        if (_info is null)
        {
            return json;
        }
        if (_info.Name is { Length: > 0 } name)
        {
            json["backup_name"] = name;
        }
        json["postgresql_version"] = _info.ServerVersion;
        json["pgdata_directory"] = _info.DataDirectory;
        json["cluster_size"] = new ByteSize(_info.ClusterSize).ToString();
        json["cluster_size_bytes"] = _info.ClusterSize;
        json["server_information"] = new JsonObject { ["data_checksums"] = _info.DataChecksums ? "on" : "off" };
        json["tablespaces"] = new JsonArray([.. _info.Tablespaces.Select(static t => (JsonNode)new JsonObject { ["name"] = t.Name, ["location"] = t.Location, ["oid"] = t.Oid })]);
        json["base_backup_information"] = BaseJson(_info);
        json["wal_information"] = WalJson(_info);
        json["damaged_pages"] = new JsonArray([.. _info.DamagedPages.Select(static p => (JsonNode)new JsonObject { ["file"] = p.File, ["block"] = p.Block, ["relation"] = p.Relation })]);
        var catalog = new JsonObject
        {
            ["retention_policy"] = RetentionPolicy,
            ["retention_reason"] = backup.Verdict?.Reason,
            ["previous_backup"] = previous?.Id.ToString() ?? "- (this is the oldest base backup)",
            ["next_backup"] = next?.Id.ToString() ?? "- (this is the latest base backup)",
        };
        if (_info.Parent is { } parent)
        {
            catalog["root_backup_id"] = backup.Id.ToString();
            catalog["parent_backup_id"] = parent;
            catalog["chain_size"] = 1;
        }
        if (Children.Count > 0)
        {
            catalog["children_backup_ids"] = new JsonArray([.. Children.Select(static id => (JsonNode)id.ToString())]);
        }
        json["catalog_information"] = catalog;
        return json;
    }

    JsonObject BaseJson(BackupInfo info)
    {
        var json = new JsonObject
        {
            ["backup_method"] = "postgres",
            ["backup_size"] = new ByteSize(info.ClusterSize).ToString(),
            ["backup_size_bytes"] = info.ClusterSize,
            ["backup_size_with_wals"] = backup.Size.ToString(),
            ["backup_size_with_wals_bytes"] = backup.Size.Bytes,
            ["stored_size"] = new ByteSize(info.StoredBytes).ToString(),
            ["stored_size_bytes"] = info.StoredBytes,
            ["read_size_bytes"] = info.ReadBytes,
            ["number_of_files"] = info.FileCount,
            ["timeline"] = info.Timeline,
            ["begin_wal"] = info.FirstSegment.ToString(),
            ["end_wal"] = info.LastSegment.ToString(),
            ["begin_time"] = Time(info.BeginTime),
            ["begin_time_timestamp"] = Timestamp(info.BeginTime),
            ["end_time"] = Time(info.EndTime),
            ["end_time_timestamp"] = Timestamp(info.EndTime),
            ["copy_time"] = BackupReport.Duration(TimeSpan.FromSeconds(info.CopySeconds)),
            ["copy_time_seconds"] = info.CopySeconds,
            ["throughput"] = $"{new ByteSize(info.Throughput)}/s",
            ["throughput_bytes"] = info.Throughput,
            ["number_of_workers"] = info.Jobs,
            ["begin_offset"] = info.WalSegmentSize.OffsetOf(info.BeginLsn),
            ["end_offset"] = info.WalSegmentSize.OffsetOf(info.EndLsn),
            ["begin_lsn"] = info.BeginLsn.ToString(),
            ["end_lsn"] = info.EndLsn.ToString(),
        };
        if (info.WhyEverything is { } why)
        {
            json["everything_was_read"] = why;
        }
        return json;
    }

    JsonObject WalJson(BackupInfo info)
    {
        var json = new JsonObject
        {
            ["no_of_files"] = backup.LaterWal.Files,
            ["disk_usage"] = new ByteSize(backup.LaterWal.Bytes).ToString(),
            ["disk_usage_bytes"] = backup.LaterWal.Bytes,
            ["last_available"] = backup.LastSegment?.ToString(),
        };
        if (Reachable() is { } timelines)
        {
            json["reachable_timelines"] = timelines;
        }
        if (backup.Gap is { } gap)
        {
            json["wal_gap"] = gap.ToString();
        }
        if (WalRate(info) is { } rate)
        {
            json["wal_rate"] = string.Create(CultureInfo.InvariantCulture, $"{rate * 3600:0.00}/hour");
            json["wal_rate_per_second"] = rate;
        }
        if (WalRatio(info) is { } ratio)
        {
            json["compression_ratio"] = ratio;
        }
        return json;
    }

    string? Reachable() => backup.Reachable is { Count: > 0 } timelines ? string.Join(", ", timelines) : null;

    static string Saved(BackupInfo info)
    {
        var saved = info.ClusterSize - info.StoredBytes;
        return string.Create(CultureInfo.InvariantCulture, $"{new ByteSize(saved)} ({(info.ClusterSize == 0 ? 0 : (double)saved / info.ClusterSize):0.00%})");
    }

    // Segments a second since the backup's end; until the next backup, or until now.
    double? WalRate(BackupInfo info) =>
        next?.Info is { } later && (later.BeginTime - info.EndTime).TotalSeconds is > 0 and var seconds ? backup.LaterWal.Files / seconds : null;

    double? WalRatio(BackupInfo info) =>
        backup.LaterWal.Files > 0 ? 1 - ((double)backup.LaterWal.Bytes / ((long)backup.LaterWal.Files * info.SegmentSize)) : null;

    static string Time(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture);

    static string Timestamp(DateTimeOffset time) => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
}
