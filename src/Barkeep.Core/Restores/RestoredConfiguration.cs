using System.Globalization;
using System.Text;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Restores;

/// <summary>
/// Makes the configuration of a restored data directory complete and harmless: it starts with nothing but <c>-D</c>, on any host,
/// and cannot disturb the original. What is changed is told, setting by setting.
/// </summary>
sealed class RestoredConfiguration(TargetTree tree, Manifest manifest, RestorePlan plan, ServerLimits limits, List<string> warnings)
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
    internal static readonly string[] Places = ["data_directory", "config_file", "hba_file", "ident_file", "external_pid_file"];

    static readonly Dictionary<string, int> LimitDefaults = new()
    {
        ["max_connections"] = 100,
        ["max_worker_processes"] = 8,
        ["max_wal_senders"] = 10,
        ["max_prepared_transactions"] = 0,
        ["max_locks_per_transaction"] = 64,
    };

    readonly BackupInfo _info = plan.Info;
    readonly int _majorVersion = plan.Info.MajorVersion;
    readonly List<DisarmedSetting> _disarmed = [];
    readonly ConfFiles _files = ConfFiles.Read(tree.Root, manifest);
    readonly string _originals = UnusedName(manifest, Originals);
    readonly HashSet<string> _replaced = new(StringComparer.Ordinal);

    /// <summary>Paths of files that are no longer what the backup holds.</summary>
    public IReadOnlySet<string> Replaced => _replaced;

    /// <summary>Writes all files; they are not durable yet.</summary>
    /// <returns>In the order of files and lines.</returns>
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
        WriteAuto();
        tree.WriteFile(plan.Recovery.SignalFile, []);
        // What is left out in one place and set in another counts as set.
        return [.. _disarmed.Where(d => d.Value is not null || !_disarmed.Exists(o => o.Name == d.Name && o.Value is not null)).OrderBy(static d => d.File, StringComparer.Ordinal).ThenBy(static d => d.Line)];
    }

    void LeaveOutPlaces()
    {
        foreach (var file in _files.Lines.Where(static l => l.File != ConfFiles.Auto && Places.Contains(l.Name)).GroupBy(static l => l.File))
        {
            var text = _files.ReadText(file.Key);
            Keep(file.Key, Encoding.Latin1.GetBytes(text));
            var lines = text.Split('\n');
            foreach (var line in file)
            {
                lines[line.Number - 1] = RecoveryBlock.LeftOut + lines[line.Number - 1];
                TellLeftOut(line, line.Number);
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
        var lines = RecordedSettings.Write(_info);
        Replace(ConfFiles.Main, string.Join('\n', lines));
        warnings.Add((_files.Outside is { } outside ? $"postgresql.conf includes {outside}, which is not in the data directory" : "postgresql.conf was not in the data directory")
            + $": a new one was written from the settings of the server{(Directory.Exists(tree.Full(_originals)) ? $"; the original files are in {_originals}" : "")}");
        for (var i = 0; i < lines.Count; i++)
        {
            if (lines[i].StartsWith(RecoveryBlock.LeftOut, StringComparison.Ordinal) && ConfLine.TryParse(ConfFiles.Main, i + 1, lines[i][RecoveryBlock.LeftOut.Length..]) is { } line)
            {
                TellLeftOut(line, line.Number);
            }
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

    // The user's own lines stay above the block, which counts: ALTER SYSTEM, which drops comments, then keeps them as well. What an earlier restore wrote goes, by its block or,
    // where that is not known any more, because it repeats this one's or says where recovery was to end.
    void WriteAuto()
    {
        var settings = plan.Recovery.Settings().Concat(DisarmRules.Always(_majorVersion)).Concat(DisarmRules.WhereNeeded(_majorVersion, n => Effective(n)?.Value)).Concat(Limits()).ToList();
        var values = settings.ToDictionary();
        string[] existing = _files.Has(ConfFiles.Auto) ? _files.ReadText(ConfFiles.Auto).Split('\n') : [];
        var earlier = RecoveryBlock.FindEarlier(existing);
        var lines = new List<string>();
        for (var i = 0; i < existing.Length; i++)
        {
            var line = ConfLine.TryParse(ConfFiles.Auto, i + 1, existing[i]);
            if (earlier.Contains(i) || (line is { } same && values.TryGetValue(same.Name, out var value) && value == same.Value))
            {
                continue;
            }
            var isPlace = line is { } set && Places.Contains(set.Name);
            lines.Add(isPlace || line?.Name.StartsWith("recovery_target", StringComparison.Ordinal) == true ? RecoveryBlock.LeftOut + existing[i] : existing[i]);
            if (isPlace)
            {
                TellLeftOut(line!.Value, lines.Count);
            }
        }
        while (lines is [.., ""])
        {
            lines.RemoveAt(lines.Count - 1);
        }
        foreach (var ((name, value), number) in settings.Zip(RecoveryBlock.Append(lines, plan.Backup.ToString(), settings)))
        {
            if (IsChange(name, value))
            {
                _disarmed.Add(new(ConfFiles.Auto, number, name, value));
            }
        }
        Replace(ConfFiles.Auto, string.Join('\n', lines) + '\n');
    }

    // How recovery's target was to be understood is no loss of a setting, and limits are raised to what the original had.
    bool IsChange(string name, string value)
    {
        if (name is "recovery_target_timeline" or "recovery_target_inclusive" or "recovery_target_action" || LimitDefaults.ContainsKey(name))
        {
            return false;
        }
        var old = Effective(name)?.Value ?? DisarmRules.DefaultOf(name);
        return old.Length > 0 && old != value;
    }

    // Recovery stops where these are lower than the WAL tells that they were; a server's command line may have set them.
    IEnumerable<(string Name, string Value)> Limits() =>
        new (string Name, int Needed)[]
        {
            ("max_connections", limits.Connections),
            ("max_worker_processes", limits.WorkerProcesses),
            ("max_wal_senders", limits.WalSenders),
            ("max_prepared_transactions", limits.PreparedTransactions),
            ("max_locks_per_transaction", limits.LocksPerTransaction),
        }
        .Where(limit => limit.Needed > (int.TryParse(Effective(limit.Name)?.Value, CultureInfo.InvariantCulture, out var set) ? set : LimitDefaults[limit.Name]))
        .Select(static limit => (limit.Name, limit.Needed.ToString(CultureInfo.InvariantCulture)));

    ConfLine? Effective(string name) =>
        _files.IsSelfContained || _files.Find(name) is { File: ConfFiles.Auto } ? _files.Find(name)
        : _info.Settings.TryGetValue(name, out var value) ? new("server", 0, name, value)
        : null;

    // An empty one led nowhere.
    void TellLeftOut(ConfLine line, int number)
    {
        if (line.Value.Length > 0)
        {
            _disarmed.Add(new(line.File, number, line.Name, null));
        }
    }

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
}
