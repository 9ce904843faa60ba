using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Cli;

/// <summary><c>list-files</c>: what a restore of a backup writes, by path below the data directory.</summary>
sealed class ListFilesCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup();
    readonly Option<string> _target = new("--target")
    {
        Description = "data, standalone (data and the WAL it needs), wal (all WAL since its begin) or full (data and all that WAL)",
        DefaultValueFactory = static _ => "standalone",
    };
    readonly Option<bool> _directories = new("--list-empty-directories") { Description = "also directories that hold nothing" };

    public ListFilesCommand()
        : base("list-files", "List the files of a backup.")
    {
        Choice.Restrict(_target, ["standalone", "data", "wal", "full"]);
        Add(_server);
        Add(_backup);
        Add(_target);
        Add(_directories);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.Read(parse.GetValue(_server)!).Name;
        var backup = (await ServerBackups.ReadAsync(session, server, withWal: false, cancellationToken)).Find(server, parse.GetValue(_backup)!);
        if (backup.Info is null)
        {
            throw new BarkeepException(ErrorKind.BackupUnusable, $"backup {backup.Id} of server '{server}' is {backup.Status} and has no files", $"use another one: barman list-backups {server}");
        }
        var target = parse.GetValue(_target);
        var paths = new List<string>();
        if (target is not "wal")
        {
            var manifest = await backup.Lineage.Backups.ReadManifestAsync(backup.Id, cancellationToken);
            paths.AddRange(DataFiles(manifest, parse.GetValue(_directories)));
        }
        if (target is not "data")
        {
            paths.AddRange(await WalFilesAsync(backup, all: target is "wal" or "full", cancellationToken));
        }
        var listed = new JsonArray();
        foreach (var path in paths)
        {
            session.Output.Line(path);
            listed.Add((JsonNode)path);
        }
        session.Output.Result(server, listed);
        return 0;
    }

    // Entries are in the order of their paths, so what a directory holds comes right after it.
    static IEnumerable<string> DataFiles(Manifest manifest, bool emptyDirectories)
    {
        for (var i = 0; i < manifest.Entries.Count; i++)
        {
            var entry = manifest.Entries[i];
            if (entry.Kind != ManifestEntryKind.Directory)
            {
                yield return entry.Path;
            }
            else if (emptyDirectories && !(i + 1 < manifest.Entries.Count && manifest.Entries[i + 1].Path.StartsWith(entry.Path + "/", StringComparison.Ordinal)))
            {
                yield return entry.Path + "/";
            }
        }
    }

    static async Task<IEnumerable<string>> WalFilesAsync(ServerBackup backup, bool all, CancellationToken cancellationToken)
    {
        var (info, size) = (backup.Info!, backup.Lineage.Identity.SegmentSize);
        var segments = await backup.Lineage.Wal.ListSegmentsAsync(cancellationToken);
        return segments
            .Where(s => s.Name.End(size) > info.BeginLsn && s.Name.Timeline >= info.TimelineId)
            .Where(s => all || (s.Name.Start(size) < info.EndLsn && s.Name.Timeline == info.TimelineId))
            .Select(static s => $"pg_wal/{s.Name}{(s.IsPartial ? ".partial" : "")}");
    }
}
