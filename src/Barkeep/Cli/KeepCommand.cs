using System.CommandLine;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Keeping;
using Barkeep.Repo;

namespace Barkeep.Cli;

/// <summary><c>keep</c>: keeps a backup until it is released, whatever the retention policy says.</summary>
sealed class KeepCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup();
    readonly Option<bool> _release = new("--release", "-r") { Description = "let it go again" };
    readonly Option<bool> _status = new("--status", "-s") { Description = "say whether and how it is kept" };
    readonly Option<string> _target = new("--target") { Description = "full: with all WAL from it on; standalone: with no more WAL than makes it consistent" };

    public KeepCommand()
        : base("keep", "Keep a backup until it is released, whatever the retention policy says.")
    {
        Add(_server);
        Add(_backup);
        Add(_release);
        Add(_status);
        Add(Choice.Restrict(_target, ["full", "standalone"]));
        Validators.Add(result =>
        {
            if (new[] { result.GetResult(_release), result.GetResult(_status), result.GetResult(_target) }.Count(static r => r is { Implicit: false }) != 1)
            {
                result.AddError("one of --target, --release and --status is required, and no two of them");
            }
        });
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.Read(parse.GetValue(_server)!).Name;
        var backup = (await ServerBackups.ReadAsync(session, server, withWal: false, cancellationToken)).Find(server, parse.GetValue(_backup)!);
        if (parse.GetValue(_status))
        {
            var keep = backup.Record.Keep?.ToString().ToLowerInvariant() ?? "nokeep";
            session.Output.Line($"Server {server}:");
            session.Output.Line($"\tKeep: {keep}");
            session.Output.Result(server, new JsonObject { ["keep"] = keep });
            return 0;
        }
        KeepTarget? target = parse.GetValue(_target) is { } word ? word == "full" ? KeepTarget.Full : KeepTarget.Standalone : null;
        var missing = await BackupKeeping.SetAsync(await session.OpenRepositoryAsync(server, cancellationToken), server, session.Locations, backup.Id, target, session.Time, cancellationToken);
        if (missing is { } segment)
        {
            session.Output.Warning($"backup {backup.Id} is kept, but WAL file {segment} is not here: nothing after it can be restored from this backup");
        }
        return 0;
    }
}
