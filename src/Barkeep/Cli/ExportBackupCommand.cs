using System.CommandLine;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Restores;

namespace Barkeep.Cli;

/// <summary><c>export-backup</c>: a backup and the WAL that makes it consistent as one tar, which is a data directory of its own.</summary>
sealed class ExportBackupCommand : SessionCommand
{
    readonly Argument<string> _server = CommonArguments.Server();
    readonly Argument<string> _backup = CommonArguments.Backup();
    readonly Argument<string> _directory = CommonArguments.Place("DIRECTORY", "where the tar is to appear");
    readonly Option<string> _compression = new("--compression") { Description = "none (the default), gzip or zstd", DefaultValueFactory = static _ => "none" };
    readonly Option<int?> _level = NumberOption.Between(1, 19, "how hard to compress: 1 to 9 with gzip, 1 to 19 with zstd", "--compression-level");

    public ExportBackupCommand()
        : base("export-backup", "Write a backup and its WAL into a tar that is a data directory of its own.")
    {
        Choice.Restrict(_compression, ["none", "gzip", "zstd", "bzip2", "xz"]);
        Add(_server);
        Add(_backup);
        Add(_directory);
        Add(_compression);
        Add(_level);
    }

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var compression = ExportCompression.Of(parse.GetValue(_compression)!, parse.GetValue(_level));
        var server = session.FindForRestore(parse.GetValue(_server)!);
        var backup = (await ServerBackups.ReadAsync(session, server, withWal: false, cancellationToken)).Find(server, parse.GetValue(_backup)!);
        session.Output.Info($"Exporting backup {backup.Id} of server {server} to {parse.GetValue(_directory)}");
        var options = new ExportOptions { Locations = session.Locations, Server = server, Backup = backup.Id, Directory = parse.GetValue(_directory)!, Compression = compression };
        using var bar = session.Output.IsTerminal ? new CopyBar("Exporting") : null;
        var start = session.Time.GetTimestamp();
        var result = await new BackupExport(options, session.Time, (done, total) => bar?.Update(done, total, done / Math.Max(0.001, session.Time.GetElapsedTime(start).TotalSeconds))).RunAsync(cancellationToken);
        bar?.Dispose();
        foreach (var warning in result.Warnings)
        {
            session.Output.Warning(warning);
        }
        session.Output.Info($"Backup {backup.Id} has been exported to {result.Path}: {new ByteSize(result.Bytes)}, with {result.Segments} WAL segments");
        session.Output.Result("path", result.Path);
        session.Output.Result("bytes", result.Bytes);
        session.Output.Result("backup_id", backup.Id.ToString());
        return 0;
    }
}
