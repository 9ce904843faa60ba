using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Packs;
using Barkeep.Repo;
using Barkeep.Tests.Packs;
using Barkeep.Tests.Rig;
using Barkeep.Wal;
using Npgsql;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>
/// A repository filled from a server's files on disk, so that restores are tested by themselves: what Barkeep's own
/// backups and receiver would have made of the same cluster.
/// </summary>
sealed class HandMadeBackup : IDisposable
{
    public const string Server = "montagu";

    // What pg_basebackup leaves out.
    static readonly string[] Emptied = ["pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans", "pg_wal"];
    static readonly string[] Skipped = ["postmaster.pid", "standby.signal", "postmaster.opts", "backup_label", "tablespace_map", "current_logfiles", "log"];

    readonly TestCluster _cluster;
    readonly bool _isMine;

    /// <param name="home">BARKEEP_HOME; a new one when it is not said.</param>
    public HandMadeBackup(TestCluster cluster, string? home = null)
    {
        _cluster = cluster;
        _isMine = home is null;
        Home = home ?? RigRoot.NewDirectory("home");
        Locations = new(Home, Path.Combine(Home, "restore"), Path.Combine(Home, "config"));
    }

    public string Home { get; }

    /// <summary>When backups are taken.</summary>
    public DateTimeOffset Clock { get; set; } = new(2026, 11, 23, 13, 12, 51, TimeSpan.Zero);

    public Locations Locations { get; }

    public string ServerName { get; init; } = Server;

    /// <summary>False when a receiver is at work.</summary>
    public bool TakesWal { get; init; } = true;

    public string RepositoryDirectory => Locations.RepositoryDirectory(Configuration.ServerName.Parse(ServerName));

    /// <summary>Files outside the data directory that the backup keeps: path on the server and content.</summary>
    public Dictionary<string, string> External { get; } = [];

    public bool GroupAccess { get; init; }

    /// <summary>The name that the next backup is given.</summary>
    public string? Name { get; set; }

    /// <summary>A settings dictionary other than the server's own.</summary>
    public Dictionary<string, string> ExtraSettings { get; } = [];

    public async Task<Lineage> LineageAsync(CancellationToken cancellationToken = default)
    {
        var control = ControlFile.Parse(await File.ReadAllBytesAsync(Path.Combine(_cluster.DataDirectory, "global/pg_control"), cancellationToken));
        var repository = await Repository.OpenAsync(RepositoryDirectory, cancellationToken);
        return await repository.AdoptAsync(new(control.SystemIdentifier, _cluster.Version, control.SegmentSize), acceptNew: false, Clock, cancellationToken);
    }

    public async Task<string> SpoolAsync() => Directory.CreateDirectory(Locations.SpoolDirectory(Configuration.ServerName.Parse(ServerName), (await LineageAsync()).Identity.SystemId)).FullName;

    /// <summary>Takes a backup, all its WAL included.</summary>
    public async Task<BackupId> TakeAsync(Func<Task>? meanwhile = null, bool complete = true)
    {
        var lineage = await LineageAsync();
        var newest = await lineage.Backups.ListAsync(default) is [.., var last] ? last.Id : (BackupId?)null;
        var id = BackupId.Next(Clock, newest);
        Assert.True(await lineage.Backups.StartAsync(id, Clock, "test", default));
        // The backup's checkpoint may remove what no slot holds.
        await ReceiveIfNobodyElseDoesAsync();

        await using var connection = await _cluster.OpenAsync();
        var begin = await ScalarAsync(connection, _cluster.Version >= 15 ? "SELECT pg_backup_start('test', true)::text" : "SELECT pg_start_backup('test', true, false)::text");
        using var packs = lineage.Packs.Begin(id);
        using var codec = new FrameCodec();
        var entries = new List<ManifestEntry>();
        var names = new List<string>();
        await AddDirectoryAsync(_cluster.DataDirectory, "", packs, codec, entries, names);
        if (meanwhile is not null)
        {
            await meanwhile();
        }
        // pg_control last, as pg_basebackup does.
        await AddFileAsync(Path.Combine(_cluster.DataDirectory, "global/pg_control"), "global/pg_control", packs, codec, entries, names);
        await packs.FinishAsync(default);
        await using var stop = new NpgsqlCommand(
            _cluster.Version >= 15 ? "SELECT lsn::text, labelfile FROM pg_backup_stop(false)" : "SELECT lsn::text, labelfile FROM pg_stop_backup(false, false)", connection);
        string end;
        await using (var reader = await stop.ExecuteReaderAsync())
        {
            await reader.ReadAsync();
            end = reader.GetString(0);
            entries.Add(ManifestEntry.Inline("backup_label", Encoding.UTF8.GetBytes(reader.GetString(1))));
        }
        entries.AddRange(External.Select(e => ManifestEntry.External(e.Key, Encoding.UTF8.GetBytes(e.Value))));
        entries.Sort((a, b) => ManifestEntry.ComparePaths(a.Path, b.Path));
        await lineage.Backups.CommitAsync(id, new() { Info = await InfoAsync(connection, lineage, id, begin, end, entries), Packs = names, Entries = entries }, default);
        await ReceiveIfNobodyElseDoesAsync();
        if (complete)
        {
            await lineage.Backups.CompleteAsync(id, Clock, default);
        }
        return id;
    }

    /// <summary>Puts all WAL that the server has flushed where a receiver would have it: complete segments and histories in the repository, the tail in the spool.</summary>
    public async Task ReceiveAsync(TestCluster? from = null)
    {
        var server = from ?? _cluster;
        var flushed = Lsn.Parse(await server.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text"));
        var timeline = new TimelineId((uint)await server.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()"));
        var lineage = await LineageAsync();
        var size = lineage.Identity.SegmentSize;
        var spool = await SpoolAsync();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(server.DataDirectory, "pg_wal")).Order(StringComparer.Ordinal))
        {
            if (TimelineId.TryParseHex(Path.GetFileName(file).AsSpan(0, 8), out var history) && file.EndsWith(".history", StringComparison.Ordinal))
            {
                await lineage.Wal.PutHistoryAsync(history, await File.ReadAllBytesAsync(file), default);
            }
            if (!SegmentName.TryParse(Path.GetFileName(file), out var name) || name.Timeline != timeline || name.Start(size) >= flushed)
            {
                continue;
            }
            using var content = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (name.End(size) <= flushed)
            {
                await lineage.Wal.PutSegmentAsync(name, content, default);
                File.Delete(Path.Combine(spool, name.ToString()));
            }
            else
            {
                var tail = new byte[flushed - name.Start(size)];
                await content.ReadExactlyAsync(tail);
                await File.WriteAllBytesAsync(Path.Combine(spool, name.ToString()), tail);
            }
        }
    }

    /// <summary>Notes, as a receiver does, that the server is on a timeline.</summary>
    public async Task HearAsync(uint timeline)
    {
        var state = new JsonObject
        {
            ["version"] = 1,
            ["phase"] = "Stopped",
            ["systemId"] = $"{(await LineageAsync()).Identity.SystemId}",
            ["serverTimeline"] = timeline,
            ["since"] = Clock,
            ["updatedAt"] = Clock,
        };
        var path = Locations.ReceiverStateFile(Configuration.ServerName.Parse(ServerName));
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllTextAsync(path, state.ToJsonString());
    }

    public void Dispose()
    {
        if (_isMine)
        {
            RigRoot.Remove(Home);
        }
    }

    Task ReceiveIfNobodyElseDoesAsync() => TakesWal ? ReceiveAsync() : Task.CompletedTask;

    async Task<BackupInfo> InfoAsync(NpgsqlConnection connection, Lineage lineage, BackupId id, string begin, string end, List<ManifestEntry> entries)
    {
        var settings = new Dictionary<string, string>(ExtraSettings);
        await using (var command = new NpgsqlCommand("SELECT name, setting FROM pg_settings WHERE source NOT IN ('default', 'client', 'session')", connection))
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
            {
                settings.TryAdd(reader.GetString(0), reader.GetString(1));
            }
        }
        var tablespaces = new List<BackupTablespace>();
        await using (var command = new NpgsqlCommand("SELECT oid::text, spcname, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''", connection))
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
            {
                tablespaces.Add(new(uint.Parse(reader.GetString(0), CultureInfo.InvariantCulture), reader.GetString(1), reader.GetString(2)));
            }
        }
        return new()
        {
            BackupId = id.ToString(),
            Name = Name,
            Server = ServerName,
            SystemId = lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture),
            ServerVersion = int.Parse(await ScalarAsync(connection, "SHOW server_version_num"), CultureInfo.InvariantCulture),
            DataDirectory = _cluster.DataDirectory,
            SegmentSize = lineage.Identity.SegmentSize.Bytes,
            RelationSegmentBlocks = 131072,
            Timeline = uint.Parse(await ScalarAsync(connection, "SELECT timeline_id::text FROM pg_control_checkpoint()"), CultureInfo.InvariantCulture),
            BeginLsnText = begin,
            EndLsnText = end,
            BeginTime = Clock,
            EndTime = Clock,
            CopySeconds = 1,
            Jobs = 1,
            DataChecksums = true,
            GroupAccess = GroupAccess,
            ClusterSize = entries.Sum(e => e.Length),
            ReadBytes = 0,
            StoredBytes = 0,
            FileCount = entries.Count,
            Tablespaces = tablespaces,
            Settings = settings,
            Program = "test",
        };
    }

    static async Task AddDirectoryAsync(string directory, string path, PackSeries packs, FrameCodec codec, List<ManifestEntry> entries, List<string> names)
    {
        foreach (var item in new DirectoryInfo(directory).EnumerateFileSystemInfos().OrderBy(i => i.Name, StringComparer.Ordinal))
        {
            var inner = path.Length == 0 ? item.Name : $"{path}/{item.Name}";
            if (Skipped.Contains(inner) || inner == "global/pg_control" || item.Name.StartsWith("pgsql_tmp", StringComparison.Ordinal) || item.Name.StartsWith("pg_internal.init", StringComparison.Ordinal))
            {
                continue;
            }
            if (Directory.Exists(item.FullName))
            {
                entries.Add(ManifestEntry.Directory(inner));
                if (!Emptied.Contains(inner))
                {
                    await AddDirectoryAsync(item.FullName, inner, packs, codec, entries, names);
                }
            }
            else
            {
                await AddFileAsync(item.FullName, inner, packs, codec, entries, names);
            }
        }
    }

    static async Task AddFileAsync(string file, string path, PackSeries packs, FrameCodec codec, List<ManifestEntry> entries, List<string> names)
    {
        byte[] content;
        try
        {
            content = await File.ReadAllBytesAsync(file);
        }
        catch (FileNotFoundException)
        {
            return;
        }
        entries.Add(await StoredPages.StoreAsync(path, content, packs, codec, names));
    }

    static async Task<string> ScalarAsync(NpgsqlConnection connection, string text)
    {
        await using var command = new NpgsqlCommand(text, connection);
        return (string)(await command.ExecuteScalarAsync())!;
    }
}
