using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// Makes the configuration of a restored data directory complete and harmless: it starts with nothing but <c>-D</c>, on any host,
/// and cannot disturb the original. What is changed is told, setting by setting.
/// </summary>
sealed partial class RestoredConfiguration(TargetTree tree, Manifest manifest, RestorePlan plan, ServerLimits limits, List<string> warnings)
{
    /// <summary>The directory for the original's files that are replaced, or lay outside.</summary>
    public const string Originals = "original-config";

    const string SafeAccess = """
        # Written by barkeep: the original's pg_hba.conf is not in the backup.
        local  all  all                peer
        host   all  all  127.0.0.1/32  scram-sha-256
        host   all  all  ::1/128       scram-sha-256

        """;

    // Paths of the original that would make PostgreSQL start on the original's files. An empty value does not undo them.
    static readonly string[] Places = ["data_directory", "config_file", "hba_file", "ident_file", "external_pid_file"];

    readonly BackupInfo _info = plan.Info;
    readonly int _majorVersion = plan.Info.ServerVersion / 10000;
    readonly List<DisarmedSetting> _disarmed = [];
    readonly ConfFiles _files = ConfFiles.Read(tree.Root, manifest);
    readonly string _originals = UnusedName(manifest, Originals);
    readonly HashSet<string> _replaced = new(StringComparer.Ordinal);

    /// <summary>Paths of files that are no longer what the backup holds.</summary>
    public IReadOnlySet<string> Replaced => _replaced;

    /// <summary>Writes all files; they are not durable yet.</summary>
    public IReadOnlyList<DisarmedSetting> Write()
    {
        // What lay outside the data directory, word for word.
        foreach (var entry in manifest.Entries.Where(static e => e.Kind == ManifestEntryKind.External))
        {
            Keep(entry.Path.TrimStart('/'), entry.Content.Span);
        }

        // A postgresql.conf that needs nothing from outside.
        if (_files.IsSelfContained)
        {
            LeaveOutPlaces();
        }
        else
        {
            Generate();
        }

        // Who may connect.
        WriteAccessFile("hba_file", "pg_hba.conf", SafeAccess);
        WriteAccessFile("ident_file", "pg_ident.conf", "# Written by barkeep: the original's pg_ident.conf is not in the backup.\n");

        // What recovery needs and what must not reach out; postgresql.auto.conf is read last.
        var existing = _files.Has(ConfFiles.Auto) ? _files.ReadText(ConfFiles.Auto) : "";
        Replace(ConfFiles.Auto, existing + (existing.Length == 0 || existing.EndsWith('\n') ? "" : "\n") + Block());
        tree.WriteFile(plan.Recovery.SignalFile, []);
        return _disarmed;
    }

    void LeaveOutPlaces()
    {
        foreach (var file in _files.Lines.Where(static l => Places.Contains(l.Name)).GroupBy(static l => l.File))
        {
            var text = _files.ReadText(file.Key);
            Keep(file.Key, Encoding.Latin1.GetBytes(text));
            var lines = text.Split('\n');
            foreach (var line in file)
            {
                lines[line.Number - 1] = $"# left out by barkeep: {lines[line.Number - 1]}";
                Tell(line, null);
            }
            Replace(file.Key, string.Join('\n', lines));
        }
    }

    void Generate()
    {
        if (_files.Has(ConfFiles.Main))
        {
            Keep(ConfFiles.Main, Encoding.Latin1.GetBytes(_files.ReadText(ConfFiles.Main)));
        }
        Replace(ConfFiles.Main, RecordedSettings.Write(_info));
        warnings.Add((_files.Outside is { } outside ? $"postgresql.conf includes {outside}, which is not in the data directory" : "postgresql.conf was not in the data directory")
            + $": a new one was written from the settings of the server{(Directory.Exists(tree.Full(_originals)) ? $"; the original files are in {_originals}" : "")}");
        foreach (var (name, value) in _info.Settings.Where(s => !RecordedSettings.IsKept(s.Key, s.Value) && s.Value.StartsWith('/') && !Places.Contains(s.Key)))
        {
            _disarmed.Add(new(name, value, "server", null));
        }
    }

    void WriteAccessFile(string setting, string name, string otherwise)
    {
        var path = _files.Find(setting)?.Value ?? _info.Settings.GetValueOrDefault(setting);
        var inside = path is null ? name : path.StartsWith(_info.DataDirectory.TrimEnd('/') + "/", StringComparison.Ordinal) ? path[(_info.DataDirectory.TrimEnd('/').Length + 1)..] : null;
        if (inside == name && _files.Has(name))
        {
            return;
        }
        var external = manifest.Entries.FirstOrDefault(e => e.Kind == ManifestEntryKind.External && (inside is null ? e.Path == path : e.Path.EndsWith($"/{name}", StringComparison.Ordinal)));
        var content = inside is not null && _files.Has(inside) ? _files.ReadText(inside)
            : external is not null ? Encoding.Latin1.GetString(external.Content.Span)
            : otherwise;
        if (_files.Has(name))
        {
            Keep(name, Encoding.Latin1.GetBytes(_files.ReadText(name)));
        }
        Replace(name, content);
        if (content == otherwise)
        {
            warnings.Add($"the original's {name} is not in the backup: a safe one was written");
        }
    }

    string Block()
    {
        var text = new StringBuilder($"# Written by barkeep with the restore of backup {plan.Backup}: how its recovery goes, and nothing that reaches the original.\n");
        foreach (var (name, value) in plan.Recovery.Settings().Concat(DisarmRules.Always(_majorVersion)).Concat(DisarmRules.WhereNeeded(_majorVersion, n => Effective(n)?.Value)))
        {
            text.Append(CultureInfo.InvariantCulture, $"{name} = {RecordedSettings.Quote(value)}\n");
            // How recovery's target was to be understood is no loss of a setting: an earlier restore left it.
            if (name is not ("recovery_target_timeline" or "recovery_target_inclusive" or "recovery_target_action") && Effective(name) is { Value.Length: > 0 } old && old.Value != value)
            {
                Tell(old, value);
            }
        }
        foreach (var (name, needed) in Limits())
        {
            text.Append(CultureInfo.InvariantCulture, $"{name} = {needed}\n");
        }
        return text.Append("# End of what barkeep wrote.\n").ToString();
    }

    // Recovery stops where these are lower than the WAL tells that they were; a server's command line may have set them.
    IEnumerable<(string Name, int Needed)> Limits() =>
        new (string Name, int Needed, int Default)[]
        {
            ("max_connections", limits.Connections, 100),
            ("max_worker_processes", limits.WorkerProcesses, 8),
            ("max_wal_senders", limits.WalSenders, 10),
            ("max_prepared_transactions", limits.PreparedTransactions, 0),
            ("max_locks_per_transaction", limits.LocksPerTransaction, 64),
        }
        .Where(limit => limit.Needed > (int.TryParse(Effective(limit.Name)?.Value, CultureInfo.InvariantCulture, out var set) ? set : limit.Default))
        .Select(static limit => (limit.Name, limit.Needed));

    ConfLine? Effective(string name) =>
        _files.IsSelfContained || _files.Find(name) is { File: ConfFiles.Auto } ? _files.Find(name)
        : _info.Settings.TryGetValue(name, out var value) ? new("server", 0, name, value)
        : null;

    void Tell(ConfLine old, string? value) =>
        _disarmed.Add(new(old.Name, Secret().Replace(old.Value, "$1$2…"), old.Number == 0 ? old.File : $"{old.File}:{old.Number}", value));

    void Keep(string path, ReadOnlySpan<byte> content)
    {
        var full = $"{_originals}/{path}";
        for (var slash = full.IndexOf('/'); slash > 0; slash = full.IndexOf('/', slash + 1))
        {
            if (!Directory.Exists(tree.Full(full[..slash])))
            {
                tree.CreateDirectory(full[..slash]);
            }
        }
        tree.WriteFile(full, content);
    }

    void Replace(string path, string text)
    {
        _replaced.Add(path);
        tree.DeleteFile(path);
        tree.WriteFile(path, Encoding.Latin1.GetBytes(text));
    }

    internal static string UnusedName(Manifest manifest, string name)
    {
        while (manifest.Entries.Any(e => e.Path == name))
        {
            name += "-restored";
        }
        return name;
    }

    [GeneratedRegex(@"(?i)(passw(?:or)?d|pwd|secret|token|key)(\s*=\s*)('[^']*'|\S+)")]
    private static partial Regex Secret();
}
