using System.CommandLine;
using System.CommandLine.Help;
using Barkeep.Cli.Manual;
using Barkeep.Cli.Shared;

namespace Barkeep.Cli;

/// <summary>What can be said to the program, by the name that it is called by.</summary>
static class CommandTree
{
    const string Passive = "a copy of the repository is a file copy: rsync the server's directory, or import-backup what export-backup wrote";
    const string Cloud = "the receiver stores WAL by itself, and restores take it from there";

    public static Command For(string programName) => programName switch
    {
        ProgramName.SetupBarman => Alone(new SetupCommand(ProgramName.SetupBarman)),
        ProgramName.RestoreLast => Alone(new RestoreLastCommand()),
        ProgramName.Barman => Root(programName, [.. BarmansCommands()]),
        _ => Root(ProgramName.Barkeep, [.. BarmansCommands(), new("Only as barkeep", new RestoreLastCommand(), new SetupCommand("setup"), new ServeCommand())]),
    };

    static IEnumerable<CommandGroup> BarmansCommands() =>
    [
        new("Taking backups",
            new BackupCommand(),
            new CheckBackupCommand(),
            new VerifyBackupCommand()),
        new("Restoring",
            new RestoreCommand(),
            new ExportBackupCommand(),
            new ImportBackupCommand()),
        new("Looking",
            new ListServersCommand(),
            new ListBackupsCommand(),
            new ShowBackupCommand(),
            new ListFilesCommand(),
            new TargetsCommand(),
            new StatusCommand(),
            new ShowServersCommand()),
        new("Checking",
            new CheckCommand(),
            new DiagnoseCommand(),
            new ListProcessesCommand(),
            new TerminateProcessCommand(),
            new LockDirectoryCleanupCommand()),
        new("WAL",
            new ReceiveWalCommand(),
            new ReplicationStatusCommand(),
            new SwitchWalCommand(),
            new ArchiveWalCommand(),
            new CheckArchivedRangeCommand(),
            new CheckWalArchiveCommand(),
            new RebuildXlogdbCommand(),
            new GetWalCommand(),
            new PutWalCommand(),
            new WalRestoreCommand(),
            new WalArchiveCommand(),
            new PrefetchWalCommand()),
        new("Keeping and letting go",
            new CronCommand(),
            new DeleteCommand(),
            new GcCommand(),
            new KeepCommand()),
        new("About the program",
            new CompletionCommand(),
            new ManCommand()),
        new("Not here",
            new NotHereCommand("generate-manifest", "every backup has a manifest; barman verify-backup checks it"),
            new NotHereCommand("config-switch", "edit the server's JSON file, which every command reads anew"),
            new NotHereCommand("config-update", "edit the server's JSON file, or set its variables, which every command reads anew"),
            new NotHereCommand("sync-info", Passive),
            new NotHereCommand("sync-backup", Passive),
            new NotHereCommand("sync-wals", Passive),
            new NotHereCommand("cloud-wal-archive", Cloud),
            new NotHereCommand("cloud-wal-restore", Cloud)),
    ];

    static RootCommand Root(string name, IReadOnlyList<CommandGroup> groups)
    {
        var root = new RootCommand("Continuous backup and fast restore for PostgreSQL.");
        // Whatever else is said.
        var version = root.Options.OfType<VersionOption>().Single();
        version.Aliases.Add("-v");
        version.Validators.Clear();
        foreach (var command in groups.SelectMany(static g => g.Commands))
        {
            root.Add(command);
        }
        var manual = new ManualPages(name, root, groups);
        groups.SelectMany(static g => g.Commands).OfType<ManCommand>().Single().Manual = manual;
        WithHelp(root.Options.OfType<HelpOption>().Single(), manual);
        return WithGlobalOptions(root);
    }

    // A link to one command: what follows its name are that command's options.
    static SessionCommand Alone(SessionCommand command)
    {
        command.Add(WithHelp(new HelpOption(), null));
        return WithGlobalOptions(command);
    }

    // Not /h, which might be a directory.
    static HelpOption WithHelp(HelpOption help, ManualPages? manual)
    {
        help.Aliases.Clear();
        help.Aliases.Add("-h");
        help.Aliases.Add("-?");
        help.Action = new GroupedHelp(manual);
        return help;
    }

    static T WithGlobalOptions<T>(T command)
        where T : Command
    {
        foreach (var option in GlobalOptions.All)
        {
            command.Add(option);
        }
        return command;
    }
}
