using System.IO.Hashing;
using System.Text;

namespace Barkeep.Bench.Cases;

/// <summary>list-backup with 1,000 backups: one was taken, the others are copies of its catalog entry under other ids.</summary>
sealed class Listing() : Case([CaseNames.Listing], needsResearch: false)
{
    const int Backups = 1000;
    const string Directory = "/mnt/listing";

    public override void Run(Bench bench, Cluster? cluster)
    {
        var machine = bench.Machine;
        machine.Peers.Run($"initdb -D {Directory} -A trust -U postgres --data-checksums");
        using var source = new Cluster(machine, Directory);
        source.Start();
        var ours = new BarkeepTool(machine, source);
        ours.Reset();
        ours.Backup(full: true);
        MultiplyOurs();
        using var barman = new BarmanTool(machine, source);
        barman.Reset();
        barman.Backup();
        barman.Pause();
        MultiplyBarmans();

        bench.EachRound(round => Bench.InTurn(
            round,
            () => bench.Note(CaseNames.Listing, round, BarkeepTool.Name, machine.Host.Measure($"barman list-backup all | awk 'END {{ exit NR != {Backups} }}'", null)),
            () => bench.Note(CaseNames.Listing, round, BarmanTool.Name, machine.Peers.Measure($"barman -c /mnt/barman/barman.conf list-backup all | awk 'END {{ exit NR != {Backups} }}'", null))));

        ours.Remove();
        barman.Remove();
        source.Stop();
        machine.Peers.Run($"rm -rf {Directory}");
    }

    // docs/format.md: a manifest begins with a record (a line with the length and hash of the JSON behind it) and ends with a hash of the whole.
    static void MultiplyOurs()
    {
        var original = System.IO.Directory.GetDirectories($"{Machine.Home}/main/repository", "backups", SearchOption.AllDirectories).Single();
        original = System.IO.Directory.GetDirectories(original).Single();
        var manifest = File.ReadAllBytes($"{original}/manifest");
        var lineEnd = Array.IndexOf(manifest, (byte)'\n');
        var head = Encoding.ASCII.GetString(manifest, 0, lineEnd).Split(' ');
        var length = int.Parse(head[3], System.Globalization.CultureInfo.InvariantCulture);
        var id = Path.GetFileName(original);
        for (var i = 1; i < Backups; i++)
        {
            var copy = EarlierId(id, i);
            byte[] json = [.. Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(manifest, lineEnd + 1, length).Replace(id, copy, StringComparison.Ordinal))];
            head[3] = json.Length.ToString(System.Globalization.CultureInfo.InvariantCulture);
            head[4] = Convert.ToHexStringLower(XxHash128.Hash(json));
            byte[] whole = [.. Encoding.ASCII.GetBytes(string.Join(' ', head)), (byte)'\n', .. json, .. manifest[(lineEnd + 1 + length)..^16]];
            var directory = $"{Path.GetDirectoryName(original)}/{copy}";
            System.IO.Directory.CreateDirectory(directory);
            foreach (var file in System.IO.Directory.EnumerateFiles(original))
            {
                File.Copy(file, $"{directory}/{Path.GetFileName(file)}");
            }
            File.WriteAllBytes($"{directory}/manifest", [.. whole, .. XxHash128.Hash(whole)]);
        }
    }

    static void MultiplyBarmans()
    {
        var original = System.IO.Directory.GetDirectories("/mnt/barman/main/base").Single();
        var id = Path.GetFileName(original);
        foreach (var info in System.IO.Directory.GetFiles("/mnt/barman/main", "*backup.info", SearchOption.AllDirectories))
        {
            for (var i = 1; i < Backups; i++)
            {
                var copy = info.Replace(id, EarlierId(id, i), StringComparison.Ordinal);
                System.IO.Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.WriteAllText(copy, File.ReadAllText(info).Replace(id, EarlierId(id, i), StringComparison.Ordinal));
            }
        }
    }

    // Both tools' ids are local times: 20261123T131251. An hour apart.
    static string EarlierId(string id, int number) =>
        DateTime.ParseExact(id, "yyyyMMdd'T'HHmmss", null).AddHours(-number).ToString("yyyyMMdd'T'HHmmss", null);
}
