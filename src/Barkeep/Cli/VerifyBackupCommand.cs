using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Verification;

namespace Barkeep.Cli;

/// <summary><c>verify-backup</c>: reads all that a backup needs and compares it with its hashes. The exit code is 1 when anything is hurt.</summary>
sealed class VerifyBackupCommand : SessionCommand
{
    /// <summary>So many files are named of each damage; in JSON all are.</summary>
    const int ShownFiles = 10;

    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.WithBackups(new("BACKUP_ID") { Description = "an id, a name, or latest, oldest, latest-full; all verifies every backup, and what they share once" }, "all");
    readonly Option<int?> _jobs = NumberOption.Between(1, 64, "threads that read", "--jobs", "-j");

    public VerifyBackupCommand()
        : base("verify-backup", "Read all that a backup needs, pages and WAL, and compare it with its hashes.")
    {
        Aliases.Add("verify");
        Add(_server);
        Add(_backup);
        Add(_jobs);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.FindForRestore(parse.GetValue(_server)!);
        var word = parse.GetValue(_backup)!;
        var backups = await ServerBackups.ReadAsync(session, server, withWal: false, cancellationToken);
        var chosen = word == "all" ? backups.OldestFirst.Where(static b => b.IsUsable || b.Record.State == BackupState.Damaged).ToList() : [backups.Find(server, word)];
        var jobs = parse.GetValue(_jobs) ?? Math.Clamp(Environment.ProcessorCount, 1, 16);
        var sound = true;
        var result = new JsonObject { ["damage"] = new JsonArray() };
        foreach (var group in chosen.GroupBy(static b => b.Lineage))
        {
            var ids = group.Select(static b => b.Id).ToList();
            session.Output.Info(ids.Count == 1 ? $"Verifying backup '{ids[0]}' on server {server}" : $"Verifying {ids.Count} backups on server {server}");
            var verified = await VerifyAsync(session, server, group.Key, ids, jobs, cancellationToken);
            sound = sound && verified.IsSound;
            Tell(session, verified, result);
        }
        result["verified"] = sound;
        session.Output.Result(server, result);
        if (sound)
        {
            session.Output.Line("backup successfully verified");
        }
        return sound ? 0 : (int)ErrorKind.Failed;
    }

    static async Task<VerificationResult> VerifyAsync(Session session, ServerName server, Lineage lineage, IReadOnlyList<BackupId> ids, int jobs, CancellationToken cancellationToken)
    {
        var spool = session.SpoolOf(server, lineage);
        using var bar = session.Output.IsTerminal ? new CopyBar("Verifying") : null;
        var start = session.Time.GetTimestamp();
        var progress = bar is null ? null : new Drawing(p => bar.Update(p.Done, p.Total, p.Done / Math.Max(0.001, session.Time.GetElapsedTime(start).TotalSeconds)));
        var receiver = ReceiverState.LastOf(session.Locations, server, lineage.Identity);
        return await new BackupVerification(lineage, spool, receiver, jobs, progress).RunAsync(ids, cancellationToken);
    }

    static void Tell(Session session, VerificationResult result, JsonObject json)
    {
        var output = session.Output;
        output.Info(string.Create(CultureInfo.InvariantCulture, $"Read {result.Pages} pages in {result.Frames} frames of {result.Packs} packs ({new ByteSize(result.StoredBytes)}), and {result.Segments} WAL segments"));
        if (result.WalEnd.IsValid)
        {
            output.Info($"The WAL is whole up to {result.WalEnd} on timeline {result.Timeline}");
        }
        foreach (var note in result.Notes)
        {
            output.Warning(note);
        }
        foreach (var damage in result.Damage)
        {
            output.Line($"DAMAGED: {damage.What}: {damage.How}");
            output.Line($"\tbackups: {(damage.Backups.Count == 0 ? "none" : string.Join(", ", damage.Backups))}");
            if (damage.FileCount > 0)
            {
                output.Line($"\tfiles: {string.Join(", ", damage.Files.Take(ShownFiles))}{(damage.FileCount > ShownFiles ? $" and {damage.FileCount - ShownFiles} more" : "")}");
            }
        }
        AddJson(result, json);
    }

    static void AddJson(VerificationResult result, JsonObject json)
    {
        long Sum(string key, long more) => (json[key]?.GetValue<long>() ?? 0) + more;
        json["pages"] = Sum("pages", result.Pages);
        json["frames"] = Sum("frames", result.Frames);
        json["stored_bytes"] = Sum("stored_bytes", result.StoredBytes);
        json["wal_segments"] = Sum("wal_segments", result.Segments);
        if (result.WalEnd.IsValid)
        {
            json["wal_end"] = result.WalEnd.ToString();
            json["timeline"] = result.Timeline;
        }
        foreach (var damage in result.Damage)
        {
            ((JsonArray)json["damage"]!).Add((JsonNode)new JsonObject
            {
                ["what"] = damage.What,
                ["how"] = damage.How,
                ["backups"] = new JsonArray([.. damage.Backups.Select(static b => (JsonNode)b.ToString())]),
                ["files"] = new JsonArray([.. damage.Files.Select(static f => (JsonNode)f)]),
                ["file_count"] = damage.FileCount,
            });
        }
    }

    sealed class Drawing(Action<VerificationProgress> draw) : IProgress<VerificationProgress>
    {
        public void Report(VerificationProgress value) => draw(value);
    }
}
