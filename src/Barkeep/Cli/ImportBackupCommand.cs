using System.CommandLine;
using Barkeep.Backups;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary><c>import-backup</c>: brings back what <c>export-backup</c> has written, here or on another machine.</summary>
sealed class ImportBackupCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _tar = new("TARBALL") { Description = "what export-backup has written; compressed or not is seen" };

    public ImportBackupCommand()
        : base("import-backup", "Bring back a backup that export-backup has written, here or on another machine.")
    {
        Add(_server);
        Add(_tar);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var server = session.FindForRestore(parse.GetValue(_server)!);
        session.Output.Info($"Importing {parse.GetValue(_tar)} into server {server}");
        using var bar = session.Output.IsTerminal ? new CopyBar("Importing") : null;
        var start = session.Time.GetTimestamp();
        var import = new BackupImport(server, session.Locations, session.Log, session.Time);
        var info = await import.RunAsync(parse.GetValue(_tar)!, (done, total) => bar?.Update(done, total, done / Math.Max(0.001, session.Time.GetElapsedTime(start).TotalSeconds)), cancellationToken);
        bar?.Dispose();
        session.Output.Info($"Backup {info.BackupId} of server {server} has been imported");
        session.Output.Info($"It is kept until barman keep --release {server} {info.BackupId}");
        session.Output.Result("backup_id", info.BackupId);
        return 0;
    }
}
