using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Cli.Shared;

/// <summary>A backup for programs: what <see cref="BackupDetailsText"/> shows, under Barman's keys where Barman has them. Keys are there to stay.</summary>
sealed class BackupDetailsJson(BackupDetails details)
{
    readonly ServerBackup _backup = details.Backup;

    public JsonObject Write()
    {
        var json = new JsonObject
        {
            ["backup_id"] = _backup.Id.ToString(),
            ["backup_type"] = _backup.Type,
            ["server_name"] = details.Server.ToString(),
            ["status"] = _backup.Status,
            ["system_id"] = _backup.Lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture),
        };
        if (details.Error is { } error)
        {
            json["error"] = error;
        }
        if (details.Info is not { } info)
        {
            return json;
        }
        if (info.Name is { Length: > 0 } name)
        {
            json["backup_name"] = name;
        }
        json["postgresql_version"] = info.ServerVersion;
        json["pgdata_directory"] = info.DataDirectory;
        AddSize(json, "cluster_size", info.ClusterSize);
        json["server_information"] = new JsonObject { ["data_checksums"] = info.DataChecksums ? "on" : "off" };
        json["tablespaces"] = ArrayOf(info.Tablespaces, static t => new JsonObject { ["name"] = t.Name, ["location"] = t.Location, ["oid"] = t.Oid });
        json["base_backup_information"] = Base(info);
        json["wal_information"] = Wal();
        json["damaged_pages"] = ArrayOf(info.DamagedPages, static p => new JsonObject { ["file"] = p.File, ["block"] = p.Block, ["relation"] = p.Relation });
        json["damaged_page_count"] = info.DamagedPageCount;
        if (_backup.DamagedPacks.Count > 0)
        {
            json["damaged_packs"] = new JsonArray([.. _backup.DamagedPacks.Select(static p => (JsonNode)p)]);
        }
        json["catalog_information"] = Catalog(info);
        return json;
    }

    JsonObject Base(BackupInfo info)
    {
        var json = new JsonObject
        {
            ["backup_method"] = "postgres",
            ["number_of_files"] = info.FileCount,
            ["timeline"] = info.Timeline,
            ["begin_wal"] = info.FirstSegment.ToString(),
            ["end_wal"] = info.LastSegment.ToString(),
            ["number_of_wals"] = info.SegmentCount,
            ["begin_time"] = BackupDetailsText.Time(info.BeginTime),
            ["begin_time_timestamp"] = Timestamp(info.BeginTime),
            ["end_time"] = BackupDetailsText.Time(info.EndTime),
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
            ["program"] = info.Program,
            ["missing_files"] = ArrayOf(info.UnreadConfigFiles, static f => f),
        };
        AddSize(json, "backup_size", info.ClusterSize);
        AddSize(json, "backup_size_with_wals", _backup.Size.Bytes);
        AddSize(json, "wal_size", _backup.OwnWal.Bytes);
        AddSize(json, "stored_size", info.StoredBytes);
        AddSize(json, "resources_saved", info.ClusterSize - info.StoredBytes);
        AddSize(json, "read_size", info.ReadBytes);
        if (info.WhyEverything is { } why)
        {
            json["everything_was_read"] = why;
        }
        return json;
    }

    JsonObject Wal()
    {
        var timelines = _backup.Reachable;
        var json = new JsonObject
        {
            ["no_of_files"] = _backup.LaterWal.Files,
            ["last_available"] = _backup.LastSegment?.ToString(),
            ["timelines"] = ArrayOf(timelines, static t => t.ToString()),
        };
        AddSize(json, "disk_usage", _backup.LaterWal.Bytes);
        if (timelines.Count > 0)
        {
            json["reachable_timelines"] = string.Join(", ", timelines);
        }
        if (_backup.Gaps.Count > 0)
        {
            json["wal_gap"] = string.Join("; ", _backup.Gaps);
        }
        if (details.WalRate is { } rate)
        {
            json["wal_rate"] = BackupDetailsText.HourlyRate(rate);
            json["wal_rate_per_second"] = rate;
        }
        if (details.WalRatio is { } ratio)
        {
            json["compression_ratio"] = ratio;
        }
        return json;
    }

    JsonObject Catalog(BackupInfo info)
    {
        var json = new JsonObject
        {
            ["retention_policy"] = details.RetentionPolicy,
            ["retention_reason"] = _backup.Verdict?.Reason,
            ["previous_backup"] = details.PreviousBackup,
            ["next_backup"] = details.NextBackup,
        };
        if (info.Parent is { } parent)
        {
            json["root_backup_id"] = _backup.Id.ToString();
            json["parent_backup_id"] = parent;
            json["chain_size"] = 1;
        }
        if (details.Children.Count > 0)
        {
            json["children_backup_ids"] = ArrayOf(details.Children, static id => id.ToString());
        }
        return json;
    }

    // As people read it, and in bytes.
    static void AddSize(JsonObject json, string key, long bytes)
    {
        json[key] = new ByteSize(bytes).ToString();
        json[$"{key}_bytes"] = bytes;
    }

    static JsonArray ArrayOf<T>(IEnumerable<T> values, Func<T, JsonNode> write) => new([.. values.Select(write)]);

    static string Timestamp(DateTimeOffset time) => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
}
