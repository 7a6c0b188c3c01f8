/* csvkafka's protocol for one lane, for spin: see docs/model.md.

   A worker that is killed is a worker that takes no step any more, and one that is paused takes its
   next step late: the scheduler does both at every point, so neither needs a step of its own.

   Numbers, by -D:  ROWS  WORKERS  FORGETS (how often the leader forgets)  FOREIGN (other writers' batches)
   Leader, one of:  (none) 2.5 to 4.4, takes any first number    STRICT  UNKNOWN_PRODUCER_ID unless it is 0
                    NEVER_WRITTEN  4.5, an empty partition takes 0 only      NO_EPOCHS  keeps no epoch
   LATE: a request may arrive after the leader has forgotten; without it, what was sent before has arrived or
   is lost.  CAN_ASK: the leader can be asked whether it knows us.  RESTS: the leader forgets only a lane that has
   nothing to send, whose worker then looks at that lane alone.  CALM: from some moment on without faults.
   NO_...: a rule taken out.  SHOW_..., NOBODY_LOOKS: something that can happen is called an error, to see how.
   model/cases.py lists what is run. */

#ifndef ROWS
#define ROWS 3
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef FORGETS
#define FORGETS 1
#endif
#ifndef FOREIGN
#define FOREIGN 0
#endif
#ifndef EPOCHS
#define EPOCHS (FORGETS + 1)
#endif
#ifndef WINDOW
#define WINDOW 2            /* batches of a lane in flight; Kafka's 5 */
#endif
#define REMEMBERED 2        /* batches that the leader remembers of a producer; Kafka's 5 */
#if WORKERS > 3
#error "WORKERS is 1, 2 or 3"
#endif

#if defined(NO_ID_FOR_LIFE) || defined(NO_ID_STORED_FIRST)
#define PRODUCERS WORKERS
#else
#define PRODUCERS 1         /* an id that was not stored is never used, so one stands for all */
#endif
#ifdef LATE
#define SPARE 2
#else
#define SPARE 0
#endif
#if PRODUCERS * EPOCHS > 4
#error "more producer ids and epochs than the leader looks for"
#endif
#define LOG (ROWS + FOREIGN + SPARE)
#define OTHERS 255

/* What a worker knows of a batch that it handed over; from TAKEN on: taken, at Kafka offset x - TAKEN. */
#define NONE 0
#define WAITING 1
#define OUT_OF_ORDER 2
#define UNKNOWN_PRODUCER 3
#define OLD_EPOCH 4
#define LOST 5              /* neither the request nor its answer will arrive */
#define TAKEN 8

/* The item. Each worker takes the lease once, so its number is its fencing token. */
byte token, item_producer, item_epoch, item_base[EPOCHS], item_rows, item_offset;
bool completed;

/* One write to the item whose reply was lost: it is applied later, or never. */
mtype = { nothing, checkpoint, new_epoch };
mtype late_write = nothing;
byte late_token, late_had_rows, late_had_epoch, late_first, late_second;

inline forget_late_write() {
    late_write = nothing; late_token = 0; late_had_rows = 0; late_had_epoch = 0; late_first = 0; late_second = 0
}

/* The partition: for each batch (one row) its identity, sequence number and, for the judge, its row. */
byte length, log_id[LOG], log_sequence[LOG], log_row[LOG];
byte in_order;              /* the judge: rows 0 .. in_order - 1 are there, in order */
bool wrong;                 /* the judge: a row is there twice, or before its turn */

/* What the leader keeps of each producer; known[p] = 0: nothing. */
byte known[PRODUCERS], leader_epoch[PRODUCERS], leader_last[PRODUCERS];
byte forgets = FORGETS, others = FOREIGN;

/* The network: requests whose answer nobody waits for any more; a bit for each row, by identity and base.
   Each may arrive at any time, in any order. One that the leader would refuse for as long as it remembers is
   left out, if it cannot outlive that. */
#define ID(p, e) ((p) * EPOCHS + (e))
byte adrift[PRODUCERS * EPOCHS * ROWS];

/* What the leader needs to know of the workers, to answer them. */
byte use_id[WORKERS], use_base[WORKERS];
byte answer[WORKERS * ROWS];
byte silent;                /* workers whose lease lapsed, for all they know for as long as a leader remembers */
byte gone;                  /* zombies whose lease ended longer ago than that */
bool can_ask;               /* DescribeProducers is there, and allowed */

byte i, row_;               /* of single steps; 0 between them */
bool bad;

/* ---- the partition's leader ------------------------------------------------------------------------- */

#define producer_of(id) ((id) / EPOCHS)
#define epoch_of(id) ((id) % EPOCHS)

#if defined(STRICT)
#define takes_first(s) ((s) == 0)
#elif defined(NEVER_WRITTEN)
#define takes_first(s) ((s) == 0 || length > 0)
#else
#define takes_first(s) true
#endif

#ifdef NO_EPOCHS
#define same_epoch(id) true
#define newer_epoch(id) false
#else
#define same_epoch(id) (epoch_of(id) == leader_epoch[producer_of(id)])
#define newer_epoch(id) (epoch_of(id) > leader_epoch[producer_of(id)])
#endif

#define takes(id, s) (length < LOG && ( \
    known[producer_of(id)] == 0 -> takes_first(s) : \
    (same_epoch(id) -> (s) == leader_last[producer_of(id)] + 1 : (newer_epoch(id) && (s) == 0))))
#define remembers(id, s) (known[producer_of(id)] > 0 && same_epoch(id) && \
    (s) <= leader_last[producer_of(id)] && (s) + known[producer_of(id)] > leader_last[producer_of(id)])

#define drift(id, b) adrift[(id) * ROWS + (b)]
#define is_adrift(id, b, r) ((drift(id, b) >> (r)) & 1)
#define clear_adrift(id, b, r) drift(id, b) = drift(id, b) & ~(1 << (r))
#ifdef LATE
#define is_dead(id, s) false
#else
#define is_dead(id, s) (known[producer_of(id)] > 0 && !newer_epoch(id) && \
    (!same_epoch(id) || (s) <= leader_last[producer_of(id)]))
#endif
#define set_adrift(id, b, r) \
    drift(id, b) = (is_dead(id, (r) - (b)) -> drift(id, b) : drift(id, b) | (1 << (r)))

inline append(id, s, r) {
    log_id[length] = id; log_sequence[length] = s; log_row[length] = r;
    length++;
    printf("leader: epoch %d sequence %d taken, row %d, at offset %d\n", epoch_of(id), s, r, length - 1);
    if
    :: known[producer_of(id)] > 0 && same_epoch(id) ->
        known[producer_of(id)] = (known[producer_of(id)] < REMEMBERED -> known[producer_of(id)] + 1 : REMEMBERED)
    :: else -> known[producer_of(id)] = 1
    fi;
    leader_epoch[producer_of(id)] = epoch_of(id);
    leader_last[producer_of(id)] = s;
#ifndef LATE
    clear_adrift(id, r - (s), r);
#endif
    if
    :: r == in_order -> in_order++
    :: else -> wrong = true
    fi;
#ifdef NOBODY_LOOKS
    assert(!(wrong && completed));
#endif
#ifndef LATE
    assert(!wrong);                               /* each row once and in order, at each moment */
#endif
}

inline judge_request(w, r) {
    if
    :: takes(use_id[w], r - use_base[w]) ->
        answer[w * ROWS + r] = TAKEN + length;
        append(use_id[w], r - use_base[w], r)
    :: else ->
        if
        :: remembers(use_id[w], r - use_base[w]) ->
            i = length - 1;
            do
            :: log_id[i] != OTHERS && producer_of(log_id[i]) == producer_of(use_id[w]) &&
               log_sequence[i] == r - use_base[w] -> break
            :: else -> i--
            od;
            printf("leader: duplicate of offset %d answered to worker %d\n", i, w + 1);
            answer[w * ROWS + r] = TAKEN + i
        :: else ->
            printf("leader: refuses epoch %d sequence %d of worker %d\n", epoch_of(use_id[w]), r - use_base[w], w + 1);
            if
            :: known[producer_of(use_id[w])] == 0 -> answer[w * ROWS + r] = UNKNOWN_PRODUCER
            :: known[producer_of(use_id[w])] > 0 && !same_epoch(use_id[w]) && !newer_epoch(use_id[w]) ->
                answer[w * ROWS + r] = OLD_EPOCH
            :: else -> answer[w * ROWS + r] = OUT_OF_ORDER
            fi
        fi
    fi;
    i = 0
}

#define ANSWER(w, r) \
    :: d_step { answer[(w) * ROWS + (r)] == WAITING -> judge_request(w, r) }

/* A copy whose answer nobody waits for; only one that is taken changes anything. */
#define ARRIVE(id, b, r) \
    :: d_step { is_adrift(id, b, r) && takes(id, (r) - (b)) -> \
        clear_adrift(id, b, r); append(id, (r) - (b), r) }
#if ROWS == 2
#define ANSWERS_OF(w) ANSWER(w, 0) ANSWER(w, 1)
#define ARRIVES(id) ARRIVE(id, 0, 0) ARRIVE(id, 0, 1) ARRIVE(id, 1, 1)
#elif ROWS == 3
#define ANSWERS_OF(w) ANSWER(w, 0) ANSWER(w, 1) ANSWER(w, 2)
#define ARRIVES(id) ARRIVE(id, 0, 0) ARRIVE(id, 0, 1) ARRIVE(id, 1, 1) \
    ARRIVE(id, 0, 2) ARRIVE(id, 1, 2) ARRIVE(id, 2, 2)
#else
#error "ROWS is 2 or 3"
#endif

/* A day without a record of ours: the leader forgets. */
inline forget(p) {
    printf("leader: forgets the producer\n");
    forgets--; known[p] = 0; leader_epoch[p] = 0; leader_last[p] = 0;
#if !defined(NO_LOOK_AFTER_REST) && !defined(NO_LEASE)
    silent = (1 << WORKERS) - 1;
#endif
    i = 0;
#ifndef LATE
    do
    :: i < PRODUCERS * EPOCHS * ROWS -> adrift[i] = 0; i++
    :: else -> break
    od;
    i = 0;
#endif
    do
    :: i < WORKERS * ROWS && answer[i] == WAITING ->
#ifdef LATE
        set_adrift(use_id[i / ROWS], use_base[i / ROWS], i % ROWS);
#endif
        answer[i] = LOST; i++
    :: i < WORKERS * ROWS && answer[i] != WAITING -> i++
    :: else -> break
    od;
    i = 0;
#ifndef NO_LEASE
    gone = ((1 << WORKERS) - 1) & ~(token > 0 -> 1 << (token - 1) : 0) & ((1 << token) - 1);
#endif
    if
    :: late_token != token -> forget_late_write()
    :: else
    fi
}

#ifdef CALM
bool calm;
#define faults_go_on !calm

/* From some moment on nothing fails any more, and one incarnation, perhaps a new one, is left to run. */
proctype calmness() {
    atomic { calm = true; gone = (1 << (WORKERS - 1)) - 1; printf("calm: worker %d is left\n", WORKERS) }
}

ltl completes { [] (calm -> <> completed) }
#else
#define faults_go_on true
#define calm false
#endif

#ifdef RESTS
byte heard;                 /* rows that the owner knows to be in the log */
#define may_forget (heard == in_order && token > 0 && \
    answer[(token - 1) * ROWS] == NONE && answer[(token - 1) * ROWS + 1] == NONE && \
    answer[token * ROWS - 1] == NONE)
#define note_heard() heard = (token == w -> rows : heard)
#else
#define may_forget true
#define note_heard() skip
#endif

proctype leader() {
end:
    do
    ANSWERS_OF(0)
#if WORKERS > 1
    ANSWERS_OF(1)
#endif
#if WORKERS > 2
    ANSWERS_OF(2)
#endif
    ARRIVES(0)
#if PRODUCERS * EPOCHS > 1
    ARRIVES(1)
#endif
#if PRODUCERS * EPOCHS > 2
    ARRIVES(2)
#endif
#if PRODUCERS * EPOCHS > 3
    ARRIVES(3)
#endif
    :: d_step { forgets > 0 && faults_go_on && known[0] > 0 && may_forget -> forget(0) }
#if PRODUCERS > 1
    :: d_step { forgets > 0 && faults_go_on && known[1] > 0 && may_forget -> forget(1) }
#endif
#if FOREIGN > 0
    :: d_step { others > 0 && faults_go_on && length < LOG ->
        printf("leader: another writer's batch at offset %d\n", length);
        others--; log_id[length] = OTHERS; length++ }
#endif
    od
}

/* ---- the table -------------------------------------------------------------------------------------- */

#ifdef NO_TOKEN
#define mine(t) true
#else
#define mine(t) (token == (t))
#endif

/* Each checkpoint and each new epoch has a number. It is left out here, as rows and epoch only rise: to have
   the number that was read is to have the rows and the epoch that were read. */
#ifdef NO_NUMBER
#define is_as_read(rows, epoch) true
#else
#define is_as_read(rows, epoch) (item_rows == (rows) && item_epoch == (epoch))
#endif

/* The judge of each checkpoint: before its offset stand rows 0 .. rows - 1, each once and in order, and
   nothing else of ours; and it never goes back. */
inline store_checkpoint(rows, offset, epoch) {
    printf("item: checkpoint at row %d, offset %d\n", rows, offset);
    assert(rows >= item_rows);
    item_rows = rows; item_offset = offset; item_epoch = epoch;
    i = 0; row_ = 0;
    do
    :: i < offset ->
        assert(i < length);
        if
        :: log_id[i] != OTHERS -> assert(log_row[i] == row_); row_++
        :: else
        fi;
        i++
    :: else -> break
    od;
    assert(row_ == rows);                         /* the checkpoint is not ahead of the log */
    i = 0; row_ = 0
}

inline store_epoch(epoch, base) {
    printf("item: epoch %d from row %d on\n", epoch, base);
    item_epoch = epoch; item_base[epoch] = base
}

proctype table() {
end:
    do
    :: d_step { late_write == checkpoint ->
        if
        :: mine(late_token) && is_as_read(late_had_rows, late_had_epoch) && !completed ->
            store_checkpoint(late_first, late_second, late_had_epoch)
        :: else
        fi;
        forget_late_write() }
    :: d_step { late_write == new_epoch ->
        if
        :: mine(late_token) && is_as_read(late_had_rows, late_had_epoch) -> store_epoch(late_first, late_second)
        :: else
        fi;
        forget_late_write() }
    od
}

/* ---- a worker: one incarnation ---------------------------------------------------------------------- */

#define me (w - 1)
#define my_answer(r) answer[me * ROWS + (r)]
#define my_epoch epoch_of(use_id[me])
#define my_base use_base[me]
#define is_silent ((silent >> me) & 1)
#define is_ours(id) ((id) != OTHERS && producer_of(id) == producer_of(use_id[me]))

#ifdef NO_USED_EPOCH
#define lane_has_rows (rows > 0)
#else
#define lane_has_rows (rows > my_base)            /* in its present epoch */
#endif

/* Something does not fit, and the run ends by an error that names it. Never without a reason: */
inline stop() {
    printf("worker %d: stops with an error\n", w);
#if !defined(LATE) || defined(SHOW_STOP)
    assert(token != w);                           /* a zombie may see what it cannot explain */
#endif
    goto ended
}

inline drop_answers() {
    i = 0;
    do
    :: i < ROWS ->
        if
        :: my_answer(i) == WAITING -> set_adrift(use_id[me], my_base, i)
        :: else
        fi;
        my_answer(i) = NONE; i++
    :: else -> break
    od;
    i = 0
}

inline read_item() {
    drop_answers();
    silent = silent & ~(1 << me);
    stored = item_rows; rows = item_rows; end = item_offset;
#ifdef NO_ID_FOR_LIFE
    use_id[me] = ID(me, item_epoch);
#else
    use_id[me] = ID((item_producer == 0 -> me : item_producer - 1), item_epoch);
#endif
    my_base = item_base[item_epoch]; read_epoch = item_epoch;
    taken = 0; handed = 0; unsure = 0; recovering = false;
#ifdef NO_FIRST_ALONE
    one = false
#else
    one = true
#endif
}

/* Our batches from the checkpoint on, by their headers: identity and sequence number. Batches of a former
   epoch may come until the next one's base row, and none after one of a later epoch. */
inline scan_tail() {
    bad = false; row_ = 0;                        /* row_: the epoch that the log has reached */
#ifndef NO_TAIL_SCAN
    i = end;
    do
    :: i < length && is_ours(log_id[i]) ->
        if
#ifdef NO_OLD_EPOCHS
        :: epoch_of(log_id[i]) < my_epoch
#else
        :: epoch_of(log_id[i]) < my_epoch ->
            rows++;
            bad = bad || epoch_of(log_id[i]) < row_ || log_sequence[i] != rows - 1 - item_base[epoch_of(log_id[i])] ||
                rows > item_base[epoch_of(log_id[i]) + 1]
#endif
        :: epoch_of(log_id[i]) == my_epoch ->
            bad = bad || rows < my_base || log_sequence[i] != rows - my_base;
            rows++
        :: epoch_of(log_id[i]) > my_epoch ->      /* one that is not in the item */
            bad = bad || log_sequence[i] != 0;
            use_id[me] = log_id[i]; my_base = rows;
            rows++
        fi;
        row_ = epoch_of(log_id[i]);
        end = i + 1;
        i++
    :: i < length && !is_ours(log_id[i]) -> i++
    :: i >= length -> break
    od;
    bad = bad || rows < my_base;
    i = 0; row_ = 0;
#endif
#ifdef NO_EVERY_FIRST
    first = (rows == my_base && my_base > 0);
#else
    first = (can_ask -> rows == my_base && my_base > 0 : rows > 0);
#endif
    note_heard();
    printf("worker %d: reads the tail: %d rows\n", w, rows)
}

inline fail() {
    recovering = true;
#ifndef NO_ALONE_AFTER_FAILURE
    one = true;
#endif
    unsure = (handed > unsure -> handed : unsure);
    taken++;
#ifdef NO_WAIT_FOR_ANSWERS
    drop_answers(); recovering = false; taken = rows; handed = rows
#endif
}

/* Once all are answered, all unacknowledged ones go again, lowest first. */
inline go_on() {
    if
    :: recovering && taken == handed -> recovering = false; taken = rows; handed = rows
#ifdef NO_LOWEST_FIRST
    :: recovering && taken == handed && taken > rows + 1 && !is_silent ->
        printf("worker %d: sends row %d again\n", w, rows + 1);
        my_answer(rows + 1) = WAITING; taken = rows + 1; handed = rows + 2
#endif
    :: else
    fi
}

proctype worker(byte w) {
    byte rows;              /* the acknowledged prefix */
    byte taken, handed;     /* rows taken .. handed - 1 are in flight; those below taken are answered */
    byte stored, read_epoch;    /* the checkpoint, as we know it */
    byte end;               /* the Kafka offset after row rows - 1 */
    byte unsure;            /* rows below it were sent before, and nobody knows what became of them */
    byte before;            /* rows, when we learned that the leader has forgotten us, or was refused so */
    bool one;               /* the next batch goes alone */
    bool recovering, refused, forgotten;
    bool first;             /* of a later epoch: what may stand before it was not read */
    {
    atomic { (token == me || (calm && token < w)) && !completed ->
        printf("worker %d: takes the lease\n", w);
        token = w };

    /* The producer id, and where the partition ends before our first row. */
    atomic {
        if
        :: item_producer != 0 -> goto read
        :: else -> end = length
        fi
    };
    atomic {
        if
        :: !mine(w) -> end = 0; goto ended
#ifdef NO_ID_STORED_FIRST
        :: mine(w) && item_producer == 0 -> item_offset = end
#else
        :: mine(w) && item_producer == 0 -> item_producer = 1; item_offset = end
#endif
        :: else
        fi
    };

read:
    atomic {
        if
        :: !mine(w) -> goto ended
        :: else -> read_item()
        fi
    };
    atomic {
        scan_tail();
        taken = rows; handed = rows;
        if
        :: bad -> bad = false; stop()
        :: !bad && forgotten && rows == before && lane_has_rows -> goto bump
        :: !bad && forgotten && !(rows == before && lane_has_rows) -> forgotten = false; refused = false; before = 0
        :: !bad && !forgotten
        fi
    };
    atomic {                                      /* DescribeProducers */
        if
#ifdef NO_ONE_ANSWER
        :: true                                   /* as if it could not be asked, this time */
#endif
        :: lane_has_rows && (can_ask -> known[producer_of(use_id[me])] == 0 : refused && rows == before) ->
            printf("worker %d: learns that the leader does not know it\n", w);
            forgotten = true; refused = false; before = rows;
#ifdef NO_RESCAN
            goto bump
#else
            goto read
#endif
#ifdef NO_ONLY_IF_FORGOTTEN
        :: can_ask && known[producer_of(use_id[me])] > 0 && lane_has_rows && my_epoch + 1 < EPOCHS ->
            goto bump
#endif
#ifndef NO_READ_AFTER_ANSWER
        :: can_ask && known[producer_of(use_id[me])] > 0 && lane_has_rows ->
            refused = false; before = 0; goto read_again
#endif
        :: else -> refused = false; before = 0
        fi
    };
    goto send;

read_again:                                       /* from its answer on the leader refuses what is not next */
    atomic {
        scan_tail();
        taken = rows; handed = rows;
        if
        :: bad -> bad = false; stop()
        :: else
        fi
    };
    goto send;

bump:
    atomic {
        if
        :: !mine(w) -> goto ended
        :: mine(w) && !is_as_read(stored, read_epoch) -> forgotten = false; before = 0; goto read
        :: mine(w) && is_as_read(stored, read_epoch) && my_epoch + 1 == EPOCHS ->
#ifdef NO_USED_EPOCH
            goto ended                            /* more epochs than the model has numbers for */
#else
            stop()
#endif
        :: mine(w) && is_as_read(stored, read_epoch) && my_epoch + 1 < EPOCHS ->
            forgotten = false; before = 0;
#if defined(NO_EPOCH_STORED_FIRST)
            use_id[me]++; my_base = rows; first = true;
            goto send
#elif defined(NO_USED_EPOCH)
            store_epoch(my_epoch + 1, rows);      /* to look again would begin the next, without end */
            use_id[me]++; my_base = rows; read_epoch = item_epoch; first = true;
            goto send
#elif defined(NO_BASE)
            store_epoch(my_epoch + 1, rows - 1);
            goto read
#else
            store_epoch(my_epoch + 1, rows);
            goto read
#endif
#ifndef NO_LATE_WRITE
        :: late_write == nothing && faults_go_on && my_epoch + 1 < EPOCHS ->
            printf("worker %d: no answer for its new epoch\n", w);
            late_write = new_epoch; late_token = w; late_had_rows = stored; late_had_epoch = read_epoch;
            late_first = my_epoch + 1; late_second = rows;
            goto bump
#endif
        fi
    };

send:
    do
    :: atomic { !is_silent && !recovering && handed < ROWS && handed - taken < (one -> 1 : WINDOW) ->
        printf("worker %d: hands over row %d as epoch %d sequence %d\n", w, handed, my_epoch, handed - my_base);
        my_answer(handed) = WAITING;
        handed++ }
    :: atomic { taken < handed && my_answer(taken) >= TAKEN ->
        if
        :: taken == rows && my_answer(taken) - TAKEN < end -> goto read
#ifndef NO_OFFSET_CHECK
        :: taken == rows && my_answer(taken) - TAKEN > end && (first || rows < unsure) -> goto read
#endif
        :: else ->
            if
            :: taken == rows ->
                end = my_answer(taken) - TAKEN + 1;
                printf("worker %d: row %d is acknowledged\n", w, rows);
                rows++; first = false; unsure = (unsure > rows -> unsure : 0); note_heard();
                one = (recovering -> one : false)
            :: else
            fi
        fi;
        my_answer(taken) = NONE; taken++; go_on() }
    :: atomic { taken < handed && my_answer(taken) == OUT_OF_ORDER ->
        if
        :: taken == rows -> goto read
        :: else -> my_answer(taken) = NONE; fail(); go_on()
        fi }
    :: atomic { taken < handed && my_answer(taken) == UNKNOWN_PRODUCER ->
        if
        :: taken == rows -> refused = (handed == taken + 1); before = (refused -> rows : 0); goto read
        :: else -> my_answer(taken) = NONE; fail(); go_on()
        fi }
    :: atomic { taken < handed && my_answer(taken) == OLD_EPOCH ->
#ifndef LATE
        assert(token != w);
#endif
        goto ended }
    :: atomic { taken < handed && ((my_answer(taken) == WAITING && faults_go_on) || my_answer(taken) == LOST) ->
        printf("worker %d: no answer for row %d\n", w, taken);    /* refused, or the connection is lost */
        if
        :: my_answer(taken) == WAITING -> set_adrift(use_id[me], my_base, taken)
        :: else
        fi;
        my_answer(taken) = NONE; fail(); go_on() }
#ifdef RESTS
    :: atomic { mine(w) && is_silent && handed == rows && !recovering && unsure <= rows && lane_has_rows ->
        silent = silent & ~(1 << me);
        before = rows;
        goto look }
#endif
    /* Another lane, or silence, asks for a look at the topic. */
    :: atomic { mine(w) && (faults_go_on || is_silent) -> goto read }
#ifdef NO_EPOCH_STORED_FIRST
    :: atomic { mine(w) && item_epoch < my_epoch && rows > my_base ->
        store_epoch(my_epoch, my_base); read_epoch = my_epoch }
#endif
#ifdef NO_ID_STORED_FIRST
    :: atomic { mine(w) && item_producer == 0 && rows > 0 -> item_producer = w }
#endif
#ifdef NO_ACKNOWLEDGED
    :: atomic { handed > stored && handed < ROWS && mine(w) && is_as_read(stored, read_epoch) ->
        store_checkpoint(handed, end + handed - rows, read_epoch); stored = handed }
#endif
    :: atomic { rows > stored && rows < ROWS ->
        if
        :: !mine(w) -> goto ended
        :: mine(w) && is_as_read(stored, read_epoch) -> store_checkpoint(rows, end, read_epoch); stored = rows
        :: mine(w) && !is_as_read(stored, read_epoch) -> stored = item_rows    /* an earlier try of ours */
        fi }
#ifndef NO_LATE_WRITE
    :: atomic { rows > stored && rows < ROWS && late_write == nothing && faults_go_on ->
        printf("worker %d: no answer for its checkpoint at row %d\n", w, rows);
        late_write = checkpoint; late_token = w; late_had_rows = stored; late_had_epoch = read_epoch;
        late_first = rows; late_second = end }
#endif
    :: atomic { rows == ROWS ->
        if
        :: !mine(w) || completed -> goto ended
        :: mine(w) && !completed && is_as_read(stored, read_epoch) ->
            store_checkpoint(rows, end, read_epoch);
            assert(in_order == ROWS);             /* a completed job has all rows */
#ifdef SHOW_COMPLETION
            assert(false);
#endif
            completed = true; printf("item: completed\n");
            goto ended
        :: mine(w) && !completed && !is_as_read(stored, read_epoch) -> stored = item_rows
        fi }
    od;
#ifdef RESTS
    /* The lane alone is looked at, and keeps what was acknowledged. What does not fit is left to a look at all. */
look:
    atomic {
        scan_tail();
        if
        :: bad || rows != before -> bad = false; before = 0; goto read
        :: else
        fi
    };
    atomic {
        if
        :: lane_has_rows && can_ask && known[producer_of(use_id[me])] == 0 ->
            printf("worker %d: learns that the leader does not know it\n", w)
        :: else -> goto look_last
        fi
    };
    atomic {
        scan_tail();
        if
        :: bad || rows != before -> bad = false; before = 0; goto read
        :: else
        fi
    };
    atomic {
        if
        :: !mine(w) -> goto ended
        :: mine(w) && !is_as_read(stored, read_epoch) -> before = 0; goto read
        :: mine(w) && is_as_read(stored, read_epoch) && my_epoch + 1 == EPOCHS -> stop()
        :: mine(w) && is_as_read(stored, read_epoch) && my_epoch + 1 < EPOCHS ->
            store_epoch(my_epoch + 1, rows);
            use_id[me]++; my_base = rows; read_epoch = item_epoch
#ifndef NO_LATE_WRITE
        :: late_write == nothing && faults_go_on && my_epoch + 1 < EPOCHS ->
            printf("worker %d: no answer for its new epoch\n", w);
            late_write = new_epoch; late_token = w; late_had_rows = stored; late_had_epoch = read_epoch;
            late_first = my_epoch + 1; late_second = rows;
            before = 0; goto read
#endif
        fi
    };
look_last:
    atomic {
        scan_tail();
        if
        :: bad || rows != before -> bad = false; before = 0; goto read
        :: else -> before = 0; one = true
        fi
    };
    goto send;
#endif
ended:
    skip
    } unless { (gone >> me) & 1 };
    d_step {
        drop_answers();
        use_id[me] = 0; my_base = 0;
        rows = 0; taken = 0; handed = 0; stored = 0; read_epoch = 0; end = 0; before = 0; unsure = 0;
        one = false; recovering = false; refused = false; forgotten = false; first = false
    }
}

init {
    atomic {
        if
        :: can_ask = true
#ifndef CAN_ASK
        :: can_ask = false
#endif
        fi;
#ifdef CALM
        run calmness();
#endif
        run leader();
        run table();
        run worker(1);
#if WORKERS > 1
        run worker(2);
#endif
#if WORKERS > 2
        run worker(3);
#endif
    }
}
