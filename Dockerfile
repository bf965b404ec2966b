# One image for every part: the writer, the web server and the management commands differ only in the
# command, see docker-compose.yml.
FROM python:3.13-slim-trixie AS packages

# Into a virtual environment, which the image takes over whole. Before the code, so that a change of code alone
# does not install anything again. Wheels alone: nothing is compiled, and no setup script of a package runs.
COPY requirements.lock ./
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r requirements.lock


FROM python:3.13-slim-trixie

# Its ids are fixed, so that the files in the volume keep their owner from one image to the next.
RUN groupadd --system --gid 10001 app \
    && useradd --system --uid 10001 --gid app --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app \
    # Nothing is to be installed into a service that runs.
    && python -c 'import pathlib, pip, shutil; shutil.rmtree(pathlib.Path(pip.__file__).parent)'

WORKDIR /app
COPY --from=packages /venv /venv
COPY manage.py ./
COPY project ./project
COPY items ./items
COPY workers ./workers
# The code belongs to root and cannot be changed by what runs, so its bytecode is made here.
RUN python -m compileall -q project items workers

# A new volume takes over the owner, the mode and the empty `static`, whose absence WhiteNoise warns about.
RUN install -d -m 0700 -o app -g app /data /data/static
ENV PATH=/venv/bin:$PATH \
    DATA_DIR=/data \
    DJANGO_SETTINGS_MODULE=project.settings \
    HOST=0.0.0.0 \
    PYTHONUNBUFFERED=1
USER app
EXPOSE 8000

CMD ["gunicorn", "project.wsgi:application", "--config", "/app/workers/web/gunicorn_conf.py"]
