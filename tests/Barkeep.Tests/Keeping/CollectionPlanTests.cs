using System.Globalization;
using System.Text;
using Barkeep.Keeping;
using Barkeep.Packs;
using Barkeep.Received;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Keeping;

public sealed class CollectionPlanTests
{
    const int Histories = 20_000;

    static readonly SegmentSize Size = new(1 << 20);

    [Fact]
    public void B10_no_history_takes_pages_or_WAL_away_from_a_backup_that_is_kept()
    {
        for (var seed = 1; seed <= Histories; seed++)
        {
            var history = new History(seed);
            for (var step = 0; step < 14; step++)
            {
                history.Go();
            }
            history.End();
        }
    }

    [Fact]
    public void WAL_of_a_backup_that_is_kept_by_itself_is_its_own_and_all_of_the_newest()
    {
        // Kept by themselves: at 2 and, the newest that is complete, at 8. One that waits for its WAL at 12.
        AssertUnneeded("1:0 1:1 1:3 1:4 1:5 1:6 1:7", "1:0 1:1 1:2 1:3 1:4 1:5 1:6 1:7 1:8 1:9 1:12 1:13", [], "1:2!", "1:8!", "1:12?");
        // With a complete one after it the other goes by itself too.
        AssertUnneeded("1:0 1:1 1:3 1:9", "1:0 1:1 1:2 1:3 1:8 1:9 1:12 1:13", [], "1:2!", "1:8!", "1:12");
        // Fully from 4 on, so that what 2 leaves ends there.
        AssertUnneeded("1:3", "1:2 1:3 1:4 1:5 1:6", [], "1:2!", "1:4", "1:6");
    }

    [Fact]
    public void WAL_of_a_timeline_goes_when_no_backup_leads_to_it()
    {
        string[] histories = ["2: 1 0/500100", "3: 1 0/300100"];
        // From 1:2 every branch can be reached.
        AssertUnneeded("1:1", "1:1 1:2 1:3 1:5 1:6 2:5 2:6 3:3 3:4", histories, "1:2", "2:5", "3:3");
        // From those on 2 neither 3 nor what 1 became after 2 left it; of 1 the segment in which it left.
        AssertUnneeded("1:2 1:3 1:4 1:6 3:3 3:4", "1:2 1:3 1:4 1:5 1:6 2:5 2:6 3:3 3:4", histories, "2:5", "2:6", "3:9");
        // A timeline above all backups waits for the next one.
        AssertUnneeded("1:2 1:6", "1:2 1:6 2:5 2:6 3:3 3:4", histories, "2:5");
        // One without a history might descend from any, and one of its backups too.
        AssertUnneeded("1:2", "1:2 1:6 2:5 2:6", [], "1:4", "2:5");
        AssertUnneeded("1:4", "1:4 1:5 1:6 2:5 2:6", [], "2:5");
        Assert.Contains("timeline 3", Needs(["2: 1 0/500100", "3: 1 0/300100", "4: 2 0/700100"], "4:8").WhyUnneeded(Segment("3:4")), StringComparison.Ordinal);
    }

    // A backup that is kept by itself has a !, one that waits for its WAL a ?.
    static void AssertUnneeded(string unneeded, string segments, IReadOnlyList<string> histories, params IReadOnlyList<string> backups)
    {
        var needs = Needs(histories, backups);
        Assert.Equal(unneeded, string.Join(' ', segments.Split(' ').Where(s => needs.WhyUnneeded(Segment(s)) is not null)));
    }

    static WalNeeds Needs(IReadOnlyList<string> histories, params IReadOnlyList<string> backups)
    {
        var known = histories.Select(static h => TimelineHistory.Parse(new(uint.Parse(h.AsSpan(0, 1), CultureInfo.InvariantCulture)), Encoding.ASCII.GetBytes(h[2..])));
        return new([.. backups.Select(static b => (InfoAt(Segment(b.TrimEnd('!', '?'))), PartsOf(b)))], known.ToDictionary(static h => h.Timeline), Size);
    }

    static BackupParts PartsOf(string backup) => BackupParts.Manifest | backup[^1] switch
    {
        '!' => BackupParts.Complete | BackupParts.KeptStandalone,
        '?' => BackupParts.None,
        _ => BackupParts.Complete,
    };

    static SegmentName Segment(string text) =>
        SegmentName.Of(new(uint.Parse(text.AsSpan(0, text.IndexOf(':')), CultureInfo.InvariantCulture)), ulong.Parse(text.AsSpan(text.IndexOf(':') + 1), CultureInfo.InvariantCulture), Size);

    static BackupInfo InfoAt(SegmentName segment)
    {
        var begin = segment.Start(Size) + 400;
        return SmallRepository.Info(SmallRepository.First) with { Timeline = segment.Timeline.Value, BeginLsnText = begin.ToString(), EndLsnText = (begin + 300).ToString() };
    }

    /// <summary>A server's life in memory: WAL on timelines, with gaps; backups that share pages; failures, deletions, collections whole and cut off.</summary>
    sealed class History(int seed)
    {
        const int Pages = 12;

        readonly Random _random = new(seed);
        readonly List<string> _told = [];
        readonly Dictionary<int, Manifest> _backups = [];
        readonly Dictionary<StoredPack, HashSet<int>> _packs = [];
        readonly Dictionary<int, BackupParts> _parts = [];
        readonly HashSet<SegmentName> _segments = [];
        readonly Dictionary<TimelineId, TimelineHistory> _histories = [];
        // How far each timeline has got, and how it came to be, whether that is known or not.
        readonly Dictionary<uint, (TimelineHistory History, ulong Position)> _timelines = new() { [1] = (TimelineHistory.Initial(TimelineId.First), 1) };
        uint _timeline = 1;
        ulong _position = 1;
        int _number;

        public void Go()
        {
            switch (_random.Next(10))
            {
                case 0:
                    Tell("gap");
                    _position += (ulong)_random.Next(1, 4);
                    break;
                case 1:
                    Promote();
                    break;
                case 2 or 3:
                    Receive(_random.Next(1, 5));
                    break;
                case 4 or 5 or 6:
                    BackUp(fails: _random.Next(4) == 0);
                    break;
                case 7 when _backups.Count > 0:
                    Delete(_backups.Keys.ElementAt(_random.Next(_backups.Count)));
                    break;
                default:
                    Collect(_random.Next(3) == 0 ? _random.Next(6) : int.MaxValue);
                    break;
            }
        }

        /// <summary>After a whole collection nothing is left that nobody needs.</summary>
        public void End()
        {
            Collect(int.MaxValue);
            var plan = Plan();
            Assert.True(plan.Unneeded.Count + plan.Superseded.Count + plan.Sparse.Count + plan.Segments.Count == 0, Story("garbage is left"));
        }

        // From any timeline that there is, at any point of it: a standby that was left behind, or a restore. Sometimes nobody says from where.
        void Promote()
        {
            var (history, position) = _timelines[(uint)_random.Next(1, _timelines.Count + 1)];
            var segment = position - Math.Min(position - 1, (ulong)_random.Next(4));
            var left = new Lsn((segment * (ulong)Size.Bytes) + (ulong)_random.Next(2) * 2000);
            if (history.Ancestors.Count > 0 && left < history.Ancestors[^1].End)
            {
                return;
            }
            var timeline = new TimelineId((uint)_timelines.Count + 1);
            var lines = history.Ancestors.Append(new(history.Timeline, left)).Select(static a => $"{a.Timeline}\t{a.End}\tx\n");
            var next = TimelineHistory.Parse(timeline, Encoding.ASCII.GetBytes(string.Concat(lines)));
            Tell($"timeline {timeline} from {history.Timeline} at {left}");
            if (_random.Next(8) > 0)
            {
                _histories[timeline] = next;
            }
            _timelines[timeline.Value] = (next, Size.NumberOf(left));
            (_timeline, _position) = (timeline.Value, Size.NumberOf(left));
        }

        void Delete(int id)
        {
            if (_random.Next(2) == 0)
            {
                Tell($"delete {id}");
                _backups.Remove(id);
                return;
            }
            Tell($"keep {id} {_parts[id]}");
            _parts[id] ^= BackupParts.KeptStandalone;
        }

        void Receive(int count)
        {
            Tell($"receive {count} at {_timeline}/{_position}");
            for (; count > 0; count--)
            {
                _segments.Add(SegmentName.Of(new(_timeline), _position++, Size));
            }
            _timelines[_timeline] = (_timelines[_timeline].History, _position);
        }

        void BackUp(bool fails)
        {
            var id = ++_number;
            Tell($"backup {id}{(fails ? " fails" : "")} at {_timeline}/{_position}");
            var names = new List<string>();
            var runs = new List<PageRun>();
            var own = new StoredPack(NameOf(id), 0, 1000);
            var stored = new HashSet<int>();
            var parent = _backups.Count > 0 ? _backups[_backups.Keys.Max()] : null;
            var density = _random.Next(1, 11);
            for (var page = 0; page < Pages; page++)
            {
                var run = parent?.Entries[0].Runs[page];
                var pack = run is { } old && _random.Next(10) >= density ? parent!.Packs[old.Pack] : own.Name;
                var ordinal = pack == own.Name ? stored.Count : run!.Value.Ordinal;
                if (pack == own.Name)
                {
                    stored.Add(ordinal);
                }
                if (!names.Contains(pack))
                {
                    names.Add(pack);
                }
                runs.Add(new(1, names.IndexOf(pack), ordinal));
            }
            if (stored.Count > 0)
            {
                _packs[own] = stored;
            }
            if (!fails)
            {
                // After the timeline's beginning.
                var begin = new Lsn((_position * (ulong)Size.Bytes) + 4000);
                _parts[id] = BackupParts.Manifest | (_random.Next(4) == 0 ? BackupParts.None : BackupParts.Complete);
                _backups[id] = new()
                {
                    Info = SmallRepository.Info(SmallRepository.First) with { Timeline = _timeline, BeginLsnText = begin.ToString(), EndLsnText = new Lsn(begin.Value + 300).ToString() },
                    Packs = names,
                    Entries = [new() { Kind = ManifestEntryKind.File, Path = "base/1/112", Length = Pages * Page.Size, Runs = runs }],
                };
            }
        }

        // Cut off after so many removals.
        void Collect(int steps)
        {
            Tell($"collect {steps}");
            var plan = Plan();
            var routes = Routes();
            foreach (var pack in plan.Unneeded.Concat(plan.Superseded))
            {
                if (steps-- > 0)
                {
                    _packs.Remove(pack);
                }
            }
            foreach (var (segment, _) in plan.Segments)
            {
                if (steps-- > 0)
                {
                    _segments.Remove(segment.Name);
                }
            }
            foreach (var sparse in plan.Sparse)
            {
                if (steps-- > 0)
                {
                    _packs[sparse.Pack with { Generation = sparse.Pack.Generation + 1 }] = [.. _packs[sparse.Pack].Where(sparse.Needed.Contains)];
                }
                if (steps-- > 0)
                {
                    _packs.Remove(sparse.Pack);
                }
            }
            Check(routes);
        }

        // What recovery would read, for each backup and each timeline that a restore may follow; of one that is kept by itself, with a later
        // one there, what it takes to its own end.
        Dictionary<(int Id, TimelineId? Timeline), string> Routes()
        {
            var received = new ReceivedWal(_segments.Select(static s => new ReceivedSegment(s, WalPlace.Repository, Size.Bytes, true, Size.Bytes)), _histories.Values, [], Size);
            var routes = new Dictionary<(int, TimelineId?), string>();
            var newest = _backups.Keys.Where(id => _parts[id].HasFlag(BackupParts.Complete)).DefaultIfEmpty(0).Max();
            foreach (var (id, manifest) in _backups)
            {
                var info = manifest.Info;
                var alone = _parts[id].HasFlag(BackupParts.KeptStandalone) && id < newest;
                foreach (var timeline in received.Histories.Keys.Append(new(info.Timeline)).Select(static t => (TimelineId?)t).Append(null))
                {
                    if (WalRoute.Choose(received, new(info.Timeline), info.BeginLsn, info.EndLsn, timeline) is { } route)
                    {
                        routes[(id, timeline)] = string.Join(' ', route.Parts.Where(p => !alone || p.Segment.Name.Start(Size) < info.EndLsn).Select(static p => p.Segment.Name));
                    }
                }
            }
            return routes;
        }

        CollectionPlan Plan()
        {
            var needs = new PageNeeds();
            var backups = new List<(BackupInfo, BackupParts)>();
            foreach (var (id, manifest) in _backups.OrderBy(static b => b.Key))
            {
                needs.Add(manifest);
                backups.Add((manifest.Info, _parts[id]));
            }
            var segments = _segments.Select(static s => new StoredSegment(s, IsPartial: false, 100)).ToList();
            return CollectionPlan.Make(
                needs, [.. _packs.Keys], p => _packs[p].Count, new(backups, _histories, Size), segments);
        }

        void Check(Dictionary<(int Id, TimelineId? Timeline), string> routes)
        {
            foreach (var (id, manifest) in _backups)
            {
                foreach (var run in manifest.Entries[0].Runs)
                {
                    var pack = _packs.Keys.Where(p => p.Name == manifest.Packs[run.Pack]).MaxBy(static p => p.Generation);
                    Assert.True(pack.Name is not null && _packs[pack].Contains(run.Ordinal), Story($"backup {id} lacks page {run.Ordinal} of {manifest.Packs[run.Pack]}"));
                }
            }
            var now = Routes();
            foreach (var (way, route) in routes)
            {
                Assert.True(now.GetValueOrDefault(way) == route, Story($"backup {way.Id} lacks WAL to timeline {way.Timeline}: of {route} there is {now.GetValueOrDefault(way)}"));
            }
        }

        void Tell(string what) => _told.Add(what);

        string Story(string what) => $"seed {seed}: {what}\n{string.Join('\n', _told)}";

        static string NameOf(int id) => string.Create(CultureInfo.InvariantCulture, $"20261123T{id / 3600:D2}{id / 60 % 60:D2}{id % 60:D2}/0001");
    }
}
